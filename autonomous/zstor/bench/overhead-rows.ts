import { randomFillSync } from 'node:crypto';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RespClient } from '@commongrid/resp';
import { atMostRow } from '@commongrid/system/bench';
import type { BenchRow } from '@commongrid/system/bench';
import { ZdbServer } from '@commongrid/zdb';
import { Stor } from '../src/stor.ts';
import type { StorOptions } from '../src/stor.ts';
import type { ZstorBenchRun } from './zstor-bench-run.ts';

const mebibyte = 2 ** 20;
const serverCount = 20;
/** How many keep the log of a store with m = 4. */
const logCount = 9;

interface Overhead {
  readonly dataBytes: number;
  readonly backendBytes: number;
  readonly logBytes: number;
  readonly tableBytes: number;
}

/** What 16+4 takes on disk, of Zero-DB folders and of the head's own, beside the data that is in it. */
export async function overheadRows(run: ZstorBenchRun): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const large = '16+4: on disk beside objects of 4 to 64 MiB, all metadata counted';
  if (run.wants(large)) {
    run.note(large);
    const sizes = [...Array.from({ length: 16 }, () => 4 * mebibyte), 16 * mebibyte, 64 * mebibyte];
    const found = await measure(run, 'large', sizes, 16 * mebibyte);
    const { dataBytes, backendBytes, logBytes, tableBytes } = found;
    const allBytes = backendBytes + logBytes + tableBytes;
    const ours = percent(allBytes, dataBytes);
    rows.push(atMostRow({ name: large, unit: '%', ours, must: 25.5, note: noteOf(found) }));
  }
  const mixed = '16+4: on disk beside objects of 10 KiB to 1 MB, packed and compacted';
  if (run.wants(mixed)) {
    run.note(mixed);
    // What is dead in a segment that is still written stays: small ones, so that little is.
    const found = await measure(run, 'mixed', mixedSizes(run.sized(400)), mebibyte);
    const ours = percent(found.backendBytes, found.dataBytes);
    rows.push(atMostRow({ name: mixed, unit: '%', ours, must: 30, note: noteOf(found) }));
  }
  return rows;
}

/** As many of one size as of ten times that size. */
function mixedSizes(count: number): number[] {
  return Array.from({ length: count }, (_, at) => {
    return Math.round(10 * 1024 * (1e6 / (10 * 1024)) ** (at / (count - 1)));
  });
}

async function measure(
  run: ZstorBenchRun,
  name: string,
  sizes: readonly number[],
  segmentBytes: number,
): Promise<Overhead> {
  await using stack = new AsyncDisposableStack();
  const folder = join(run.folder, name);
  const opened = Array.from({ length: serverCount + logCount }, async (_, at) => {
    const dataDir = join(folder, `zdb-${at}`);
    const listen = [{ host: '127.0.0.1', port: 0 }];
    return stack.use(await ZdbServer.open({ dataDir, listen, durability: 'os', segmentBytes }));
  });
  const servers = await Promise.all(opened);
  const ports = servers.map(({ addresses }) => addresses[0]?.port ?? 0);
  const backendsFile = join(folder, 'backends.json');
  await Promise.all(
    ports.map((port) =>
      ask(port, [
        ['NSNEW', 'shards'],
        ['NSNEW', 'log'],
      ]),
    ),
  );
  // Folders for logs of their own, so that their bytes can be told apart.
  const entries = ports.map((port, at) => ({
    ...{ address: `127.0.0.1:${port}`, namespace: 'shards', node: `n${at}` },
    ...{ farm: `f${at}`, country: 'BE' },
    ...(at < serverCount ? {} : { log: 'log', spare: true }),
  }));
  await writeFile(backendsFile, JSON.stringify(entries));
  const options: StorOptions = {
    ...{ folder: join(folder, 'head'), backendsFile, canBegin: true },
    policy: {
      ...{ dataShards: 16, parityShards: 4, chunkSizeBytes: 4 * mebibyte, compression: 'none' },
      locations: ports.map((_, at) => at + 1).slice(0, serverCount),
    },
  };
  // Only a store that is closed has no journal of its tables.
  await (await Stor.open(options)).close();
  const before = await sizesOf(folder);
  const stor = stack.use(await Stor.open(options));
  const bytes = Buffer.allocUnsafe(Math.max(...sizes));
  for (const [at, size] of sizes.entries()) {
    run.signal.throwIfAborted();
    const content = bytes.subarray(0, size);
    randomFillSync(content);
    await stor.put(`some/folder/object-${at}`, [content], { sizeBytes: size });
  }
  for (let times = 0; times < 2; times++) await stor.tidy();
  await stor.close();
  await Promise.all(ports.map((port) => ask(port, [['COMPACT']])));
  const after = await sizesOf(folder);
  return {
    dataBytes: sizes.reduce((sum, size) => sum + size, 0),
    backendBytes: after.backendBytes - before.backendBytes,
    logBytes: after.logBytes - before.logBytes,
    tableBytes: after.tableBytes - before.tableBytes,
  };
}

async function ask(port: number, commands: readonly string[][]): Promise<void> {
  await using client = await RespClient.connect({ port });
  for (const command of commands) await client.command(command);
}

async function sizesOf(folder: string): Promise<Omit<Overhead, 'dataBytes'>> {
  const sizes = {
    backendBytes: 0,
    logBytes: 0,
    tableBytes: await diskBytesOf(join(folder, 'head')),
  };
  for (let at = 0; at < serverCount + logCount; at++) {
    const bytes = await diskBytesOf(join(folder, `zdb-${at}`));
    if (at < serverCount) sizes.backendBytes += bytes;
    else sizes.logBytes += bytes;
  }
  return sizes;
}

/** What the files of a folder take on disk. */
async function diskBytesOf(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true });
  const sizes = names.map(async (name) => (await stat(join(folder, name))).blocks * 512);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

function percent(bytes: number, dataBytes: number): number {
  return (bytes / dataBytes - 1) * 100;
}

function noteOf({ dataBytes, backendBytes, logBytes, tableBytes }: Overhead): string {
  const all = percent(backendBytes + logBytes + tableBytes, dataBytes).toFixed(1);
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);
  return (
    `${mb(dataBytes)} MB of data: ${mb(backendBytes)} MB on 20 backends, ` +
    `${mb(logBytes)} MB on 9 logs that are not cut yet, ${mb(tableBytes)} MB of tables: ${all} % in all`
  );
}
