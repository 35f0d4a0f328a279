import { delay, formatBytes, shutdownSignal } from '@commongrid/base';
import type { Reply, RespClient } from '@commongrid/resp';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable, withProgress } from '../../terminal.ts';
import { readSecret, serverCommand, textOf, withServer } from './connection.ts';
import type { ServerOptions } from './connection.ts';

type ScrubOptions = ServerOptions & { readonly status?: true };
type EraseOptions = ServerOptions & {
  readonly legal?: true;
  readonly epoch?: string;
  readonly namespacePasswordFile?: string;
};

interface ScrubResult {
  readonly schema: 'grid.zdb.scrub.1';
  /** Counters of the last or present scrub, as the server names them. */
  readonly status: Readonly<Record<string, number>>;
  /** Damaged records, up to `maxBad` of them. */
  readonly bad: readonly BadRecord[];
}

interface BadRecord {
  readonly namespace: string;
  /** Null when the key itself cannot be read. */
  readonly key: string | null;
  readonly file: string;
  readonly offset: number;
}

/** Damaged records that are listed; `status.bad` counts all. */
const maxBad = 1000;

const lookEveryMs = 500;

export function zdbCompactCommand(context: CommandContext): Command {
  return serverCommand('compact', 'Win back the room of deleted and overwritten records.')
    .argument('[namespace]', 'only this one')
    .action(async (namespace: string | undefined, options: ServerOptions) => {
      const words = namespace === undefined ? ['COMPACT'] : ['COMPACT', namespace];
      const work = withServer(context, options, (client) => client.command(words));
      await withProgress(context.terminal, 'compacting', work);
      const result = { schema: 'grid.zdb.compact.1', namespace: namespace ?? null };
      printResult(context, options, result, () => 'compacted');
    });
}

export function zdbScrubCommand(context: CommandContext): Command {
  return serverCommand('scrub', 'Verify every sealed segment on disk, and list what is damaged.')
    .option('--status', 'only show the last scrub, or how far the present one is')
    .addHelpText('after', '\nExit status 1 when something is damaged.')
    .action(async (options: ScrubOptions) => {
      const work = withServer(context, options, (client) => scrub(client, options));
      const result = await withProgress(context.terminal, 'scrubbing', work);
      if ((result.status['bad'] ?? 0) > 0) context.exitStatus = 1;
      printResult(context, options, result, describe);
    });
}

export function zdbEraseCommand(context: CommandContext): Command {
  return serverCommand('erase', 'Remove a key and all its history from every file, for good.')
    .argument('<namespace>', 'where the key is')
    .argument('<key>', 'the key, as text')
    .option('--legal', 'also in worm mode, because the law asks for it; the server logs it')
    .option('--namespace-password-file <file>', 'file with the password of the namespace')
    .option('--epoch <n>', 'the epoch of the namespace, when it has one')
    .action(async (namespace: string, key: string, options: EraseOptions) => {
      const erased = await withServer(context, options, (client) =>
        erase(client, namespace, key, options),
      );
      const result = { schema: 'grid.zdb.erase.1', namespace, key, erased };
      printResult(context, options, result, () => `${erased} records are erased`);
    });
}

/** Starts a scrub unless one runs, and waits for its end. Ctrl-C stops the waiting only. */
async function scrub(client: RespClient, options: ScrubOptions): Promise<ScrubResult> {
  let status = await scrubStatus(client);
  if (options.status !== true) {
    const signal = shutdownSignal();
    if (status['running'] !== 1) await client.command(['SCRUB', 'START']);
    for (status = await scrubStatus(client); status['running'] === 1;) {
      await delay(lookEveryMs, { signal });
      status = await scrubStatus(client);
    }
  }
  return { schema: 'grid.zdb.scrub.1', status, bad: await listBad(client) };
}

async function scrubStatus(client: RespClient): Promise<Record<string, number>> {
  const pairs = arrayOf(await client.command(['SCRUB', 'STATUS']));
  const status: Record<string, number> = {};
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    status[textOf(pairs[i] ?? null)] = Number(pairs[i + 1]);
  }
  return status;
}

async function listBad(client: RespClient): Promise<BadRecord[]> {
  const bad: BadRecord[] = [];
  let cursor = '0';
  do {
    const [next = '0', page = []] = arrayOf(await client.command(['SCRUB', 'BAD', cursor]));
    for (const row of arrayOf(page)) {
      const [namespace = '', key = null, , file = '', offset = 0] = arrayOf(row);
      bad.push({
        namespace: textOf(namespace),
        key: key === null ? null : textOf(key),
        file: textOf(file),
        offset: Number(offset),
      });
    }
    cursor = textOf(next);
  } while (cursor !== '0' && bad.length < maxBad);
  return bad;
}

async function erase(
  client: RespClient,
  namespace: string,
  key: string,
  { legal, epoch, namespacePasswordFile }: EraseOptions,
): Promise<number> {
  const password =
    namespacePasswordFile === undefined ? [] : [await readSecret(namespacePasswordFile)];
  await client.command(['SELECT', namespace, ...password]);
  if (epoch !== undefined) await client.command(['EPOCH', epoch]);
  const erased = await client.command(['ERASE', key, ...(legal === true ? ['LEGAL'] : [])]);
  return Number(erased);
}

function arrayOf(reply: Reply): readonly Reply[] {
  if (Array.isArray(reply)) return reply;
  throw new TypeError('the server answered with something that is no list');
}

function describe({ status, bad }: ScrubResult): string {
  const { running = 0, bytes_done: done = 0, bytes_total: total = 0 } = status;
  const head =
    running === 1
      ? `verified ${formatBytes(done)} of ${formatBytes(total)} so far`
      : `verified ${formatBytes(done)}, ${status['records_done'] ?? 0} records`;
  if (bad.length === 0) return `${head}: nothing is damaged`;
  const rows = bad.map(({ namespace, key, file, offset }) => [
    namespace,
    key ?? '(key unreadable)',
    `${file}:${offset}`,
  ]);
  return `${head}: ${status['bad'] ?? bad.length} records are damaged\n${formatTable(rows)}`;
}
