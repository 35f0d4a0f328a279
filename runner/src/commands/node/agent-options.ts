import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import type { Shards } from '../zstor/store.ts';
import { parseShards } from '../zstor/store.ts';
import { parseAddress } from '../zdb/connection.ts';
import type { Address } from '../zdb/connection.ts';
import { nameText } from './join.ts';
import type { JoinOptions } from './join.ts';
import { addAddress, addOrigin, parseGridName, parsePrefix, parseSize } from './node-arguments.ts';

/** How the agent of a node is run. */
export type AgentOptions = JoinOptions & {
  readonly join?: string;
  readonly prefix: string;
  readonly volumeSize?: number;
  readonly zdbPort?: number;
  readonly address?: readonly string[];
  readonly metrics?: Address;
  readonly backups?: string;
  readonly backupShards?: Shards;
  readonly url?: readonly string[];
  readonly hub?: readonly string[];
  readonly trial: number;
  readonly patience: number;
};

/** Seconds, unless somebody says otherwise. */
const trialDefault = 30;
const patienceDefault = 90;

export function withAgentOptions(command: Command): Command {
  return command
    .option('--join <token>', 'join first, unless that was done')
    .option('--token-file <file>', 'the same, by a file with the token')
    .option('--name <name>', nameText, parseGridName)
    .option('--prefix <letters>', 'begins names of interfaces and cgroups', parsePrefix, 'cg')
    .option('--volume-size <size>', 'disk for volumes; default: half of what is free', parseSize)
    .option('--zdb-port <port>', 'of namespaces on loopback; default: a free one, kept', parsePort)
    .option('--address <ip>', 'where it is reached; again for more; default: as found', addAddress)
    .option('--backups <file>', 'Zero-DBs of a Zero-Stor for backups of volumes: a list in JSON')
    .option('--backup-shards <code>', 'data and parity; default 16+4', parseShards)
    .option('--metrics <host:port>', 'address of the Prometheus metrics', parseAddress)
    .option('--url <url>', 'where the database is now; again for more', addOrigin)
    .option('--hub <origin>', 'where images are now; again for more', addOrigin)
    .option('--trial <s>', 'how long a release has to work to be good', parseSeconds, trialDefault)
    .option(
      '--patience <s>',
      'how long a release may take to open, and to find all as it was',
      parseSeconds,
      patienceDefault,
    );
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port > 0 && port < 65_536) return port;
  throw new InvalidArgumentError('give a port from 1 to 65535');
}

function parseSeconds(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('give seconds, 1 to 9999');
}
