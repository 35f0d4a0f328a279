import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { delay } from '@commongrid/base';
import { atMostRow, cpuSecondsOf, median, percentile } from '@commongrid/system/bench';
import type { BenchRow } from '@commongrid/system/bench';
import type { BcdbBenchRun } from './bcdb-bench-run.ts';
import { BenchChild } from './bench-child.ts';
import type { NewsReadersTask, NewsRequest, NewsServerFacts, Stamp } from './news/news-messages.ts';

const serverFile = fileURLToPath(new URL('news/news-server-main.ts', import.meta.url));
const readersFile = fileURLToPath(new URL('news/news-readers-main.ts', import.meta.url));

/** Light followers that wait at one time. */
const crowds = [1, 50];
const records = 200;
const everyMs = 200;
const idleMs = 20_000;

/**
 * How soon a light follower has a record after its author has the receipt, and what a second without
 * records costs. Server and followers are processes of their own.
 */
export async function newsRows(run: BcdbBenchRun): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const readers of crowds) {
    const name = `from the receipt of a record to its light follower, ${readers} waiting`;
    if (run.wants(name)) rows.push(await newsRow(run, name, readers));
  }
  return rows;
}

async function newsRow(run: BcdbBenchRun, name: string, readers: number): Promise<BenchRow> {
  run.note(name);
  const folder = run.folder(`news-${readers}`);
  await using server = await BenchChild.start(serverFile, [join(folder, 'log'), String(readers)]);
  const facts = server.hello as NewsServerFacts;
  const task: NewsReadersTask = { ...facts, dataDir: join(folder, 'readers'), readers };
  await using followers = await BenchChild.start(readersFile, [JSON.stringify(task)]);
  const idle = run.sized(idleMs);
  const pids = [server.pid, followers.pid];
  const before = await Promise.all(pids.map(cpuSecondsOf));
  await delay(idle, { signal: run.signal });
  const after = await Promise.all(pids.map(cpuSecondsOf));
  const [ofServer, ofFollowers] = after.map((seconds, index) => {
    return ((1e6 * (seconds - (before[index] ?? 0))) / idle).toFixed(1);
  });
  await followers.ask(true);
  const request: NewsRequest = { records: run.sized(records), everyMs };
  const acknowledged = (await server.ask(request)) as readonly Stamp[];
  // Whatever is still on its way.
  await delay(3_000, { signal: run.signal });
  const seen = new Map((await followers.ask(false)) as readonly Stamp[]);
  const waits = acknowledged.map(([seq, at]) => {
    const seenAt = seen.get(seq);
    if (seenAt === undefined) throw new Error('a record did not reach its follower');
    return Number(BigInt(seenAt) - BigInt(at)) / 1e6;
  });
  const p99 = percentile(waits, 0.99).toFixed(1);
  const note =
    `median of ${waits.length}, p99 ${p99} ms; CPU in a second without records: ` +
    `server ${ofServer} ms, followers ${ofFollowers} ms together`;
  return atMostRow({ name, unit: 'ms', ours: median(waits), aim: 50, note });
}
