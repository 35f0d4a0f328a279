import { parseBytes } from '@commongrid/base';
import type { Resources } from '@commongrid/model';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';

import { parseSize } from '../node/node-arguments.ts';

/** How much is wanted, as options of a command say it. */
export interface SizeOptions {
  readonly cpu: number;
  readonly memory: number;
  readonly ssd: number;
  readonly hdd: number;
  readonly ipv4: number;
}

/** Adds the options; without them it is something small. */
export function withSize(command: Command): Command {
  return command
    .option('--cpu <cores>', 'such as 0.5', parseCores, 1)
    .option('--memory <size>', 'such as 4GiB', parseSize, parseBytes('1GiB'))
    .option('--ssd <size>', 'such as 100GiB', parseSize, parseBytes('10GiB'))
    .option('--hdd <size>', 'such as 1TiB', parseSize, 0)
    .option('--ipv4 <n>', 'public addresses', parseAddresses, 0);
}

/** What a replica of that size gets. */
export function resourcesOf({ cpu, memory, ssd, hdd, ipv4 }: SizeOptions): Resources {
  const cpuMilli = Math.round(cpu * 1_000);
  return { cpuMilli, memoryBytes: memory, ssdBytes: ssd, hddBytes: hdd, ipv4 };
}

function parseCores(text: string): number {
  const cores = Number(text);
  if (/^\d{1,6}(?:\.\d{1,3})?$/.test(text)) return cores;
  throw new InvalidArgumentError('give cores such as 0.5');
}

function parseAddresses(text: string): number {
  if (/^\d{1,2}$/.test(text) && Number(text) <= 16) return Number(text);
  throw new InvalidArgumentError('give a whole number from 0 to 16');
}
