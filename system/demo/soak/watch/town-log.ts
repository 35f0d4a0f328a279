import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { BcdbClient, HttpLogSource } from '@commongrid/bcdb/client';

import { root, run } from '../../../e2e/grid-process.ts';
import { BrokenPromise } from '../../../simulation/witness.ts';
import type { DemoTown } from '../../demo-town.ts';
import { LogWatch } from './log-watch.ts';
import type { LogWatchOptions } from './log-watch.ts';

/** The log of a town, read as its owner, who is shown everything. */
export async function watchLog({ grid, buyer, trust, signal }: DemoTown): Promise<LogWatch> {
  const config = await readFile(join(buyer.folder, 'bot.json'), 'utf8');
  const { url } = JSON.parse(config) as { readonly url: string };
  const token = (await readFile(join(grid.home, 'identity', 'owner-token'), 'utf8')).trim();
  const client = await BcdbClient.connect({ url, trust, token, signal });
  const source = new HttpLogSource({ url, log: trust.log, token });
  type Told = { readonly genesis: LogWatchOptions['genesis'] };
  const { genesis } = await client.read<Told>('/v1/log', { signal });
  const door = {
    checkpoint: (options: { readonly signal: AbortSignal }) => client.checkpoint(options),
    entries: source.entries.bind(source),
  };
  return LogWatch.open({ genesis, log: trust.log, door, signal });
}

/**
 * Writes all of the log to a file, and verifies that where there is no network, as anybody may who has the file.
 * @returns records of it
 * @throws BrokenPromise
 */
export async function verifyOffline({ grid, trust }: DemoTown): Promise<number> {
  const folder = join(grid.home, 'soak-export');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, 'log');
  await grid.json('bcdb', 'export', file);
  const words = ['bcdb', 'verify', file, '--log', trust.log, '--sequencer', trust.sequencerKey];
  const { stdout } = await run('unshare', ['--net', join(root, 'grid'), ...words, '--json'], {
    env: { GRID_HOME: join(grid.home, 'nobody') },
  });
  await rm(folder, { recursive: true });
  return requireSound(stdout);
}

/** What `grid bcdb verify --json` says of an export. @throws BrokenPromise unless it is sound */
export function requireSound(said: string): number {
  const { isSound, verified } = JSON.parse(said) as {
    readonly isSound?: boolean;
    readonly verified?: number;
  };
  if (isSound === true && verified !== undefined) return verified;
  throw new BrokenPromise(`log: its export is not sound: ${said.trim()}`);
}
