import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SigningKey } from '@commongrid/crypto';
import { atLeastRow, atMostRow } from '@commongrid/system/bench';
import type { BenchRow } from '@commongrid/system/bench';
import { Bcdb } from '../src/bcdb.ts';
import { BcdbFolder } from '../src/config.ts';
import type { BcdbBenchRun } from './bcdb-bench-run.ts';
import {
  indexedSchema,
  makeWriter,
  prepare,
  sampleNamespace,
  sampleValue,
  signSamples,
} from './sample-records.ts';

const names = {
  stored: 'stored beside the payload, batches of 100',
  rebuild: 'rebuild of a projection from the log',
  all: 'rebuild of state and projections',
} as const;

const records = 30_000;
const batch = 100;

/** Bytes on disk, and how quickly all that follows from the log is made anew. */
export async function storageRows(run: BcdbBenchRun): Promise<BenchRow[]> {
  if (!run.wants(...Object.values(names))) return [];
  run.note('storage and rebuild');
  const dataDir = run.folder('storage');
  const owner = SigningKey.generate();
  const count = run.sized(records);
  await fill(dataDir, owner, count);
  const folder = new BcdbFolder(dataDir);
  const payload = Array.from({ length: count }, (_, index) => sampleValue(index + 1)).reduce(
    (sum, value) => sum + JSON.stringify(value).length,
    0,
  );
  const [log, tree, state, projection] = await Promise.all(
    [folder.log, folder.tree, folder.state, folder.projection].map(bytesIn),
  );
  const per = (bytes = 0): number => Math.round(bytes / count);
  const all = await rebuildAllRate(dataDir, owner, count);
  const rate = await rebuildRate(dataDir, owner, count);
  const own = per(log) + per(tree) - per(payload);
  const breakdown = `B/record: log ${per(log)}, tree ${per(tree)}, payload ${per(payload)}; and made from them: state ${per(state)}, projection ${per(projection)}`;
  return [
    atMostRow({ name: names.stored, unit: 'B/record', ours: own, must: 350, note: breakdown }),
    atLeastRow({ name: names.rebuild, unit: 'record/s', ours: rate, must: 30_000 }),
    atLeastRow({ name: names.all, unit: 'record/s', ours: all }),
  ].filter(({ name }) => run.wants(name));
}

async function fill(dataDir: string, owner: SigningKey, count: number): Promise<void> {
  await using bcdb = await Bcdb.open({ dataDir, owner });
  await prepare(bcdb, indexedSchema);
  const writer = await makeWriter(bcdb);
  for (let done = 0; done < count; done += batch) {
    const entries = signSamples(bcdb, writer, batch);
    await Promise.all(entries.map((entry) => bcdb.append(entry)));
  }
  await bcdb.projection.waitFor(bcdb.head.size - 1);
}

/** From the open of a folder with nothing but its log, until everything can be found. */
async function rebuildAllRate(dataDir: string, owner: SigningKey, count: number): Promise<number> {
  const folder = new BcdbFolder(dataDir);
  for (const made of [folder.state, `${folder.state}-wal`, `${folder.state}-shm`]) {
    await rm(made, { force: true });
  }
  await rm(folder.projection, { recursive: true });
  const startedMs = performance.now();
  await using bcdb = await Bcdb.open({ dataDir, owner });
  await bcdb.projection.waitFor(bcdb.head.size - 1);
  return count / ((performance.now() - startedMs) / 1000);
}

/** What `grid bcdb rebuild` does for one namespace: two indexes and full text. */
async function rebuildRate(dataDir: string, owner: SigningKey, count: number): Promise<number> {
  await using bcdb = await Bcdb.open({ dataDir, owner });
  const startedMs = performance.now();
  await bcdb.projection.rebuild(sampleNamespace);
  return count / ((performance.now() - startedMs) / 1000);
}

async function bytesIn(path: string): Promise<number> {
  const facts = await stat(path);
  if (!facts.isDirectory()) return facts.size;
  const files = await readdir(path);
  const sizes = await Promise.all(files.map((file) => bytesIn(join(path, file))));
  return sizes.reduce((sum, size) => sum + size, 0);
}
