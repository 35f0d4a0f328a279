import { randomFillSync } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';

import { throwIfAborted, waitFor } from '@commongrid/base';
import { atMostRow, median } from '@commongrid/system/bench';
import type { BenchRow } from '@commongrid/system/bench';

import { KeyIndex } from '../src/engine/keys/key-index.ts';
import type { BenchRun } from './bench-run.ts';
import { runLoader } from './run-program.ts';
import type { TestServer } from './test-server.ts';

const indexKeysMin = 1_000_000;
const indexKeysMax = 20_000_000;
/** All shards grow within a few percent of the count: samples must lie closer than that. */
const indexSampleKeys = 10_000;
const manyKeys = 10_000_000;
/** In a quick run: just enough for a checkpoint to be due. */
const fewKeys = 3_000_000;
const valueBytes = 32;

/** Memory for each key, and how long a start with many keys takes. */
export async function memoryRows(run: BenchRun): Promise<BenchRow[]> {
  return [...(await indexRows(run)), ...(await manyKeysRows(run))];
}

async function indexRows(run: BenchRun): Promise<BenchRow[]> {
  const keys = run.sized(indexKeysMax);
  const name = `index per key, most from 1 to ${keys / 1e6} million keys`;
  if (!run.wants(name)) return [];
  run.note(`filling an index with ${keys} keys`);
  const { bytes, at } = await mostIndexBytes(run, keys);
  const note = `the most at ${at.toLocaleString('en-US')} keys`;
  return [atMostRow({ name, unit: 'B/key', ours: bytes, must: 35, note })];
}

/** Fills an index; the most bytes a key that any sample showed. */
async function mostIndexBytes(run: BenchRun, keys: number): Promise<{ bytes: number; at: number }> {
  const index = new KeyIndex();
  const hashes = new Uint32Array(2 * indexSampleKeys);
  let most = { bytes: 0, at: 0 };
  for (let count = 0; count < keys; count += indexSampleKeys) {
    throwIfAborted(run.signal);
    await setImmediate();
    randomFillSync(hashes);
    for (let i = 0; i < hashes.length; i += 2) {
      const low = hashes[i] ?? 0;
      const high = hashes[i + 1] ?? 0;
      // A hash that came before is another key, as in the store, where the record tells them apart.
      for (let hit = index.first(low, high, 16); hit;) hit = index.next();
      index.insert(1, 8 * i, false, 16 * 2 ** 24 + valueBytes);
    }
    const total = count + indexSampleKeys;
    const bytes = index.memoryBytes / total;
    if (total >= indexKeysMin && bytes > most.bytes) most = { bytes, at: total };
  }
  return most;
}

async function manyKeysRows(run: BenchRun): Promise<BenchRow[]> {
  const keys = run.isQuick ? fewKeys : manyKeys;
  const names = rowNames(keys);
  if (!run.wants(...Object.values(names))) return [];
  const { dataDir, filled } = await fillMany(run, keys);
  const quick = await starts(run, dataDir, keys, true);
  const slow = await starts(run, dataDir, keys, false);
  const memory = { unit: 'MB', must: 500 };
  const peak = Math.max(...quick.map(({ peakMb }) => peakMb));
  return [
    atMostRow({ ...memory, name: names.filled, ours: filled.mb, note: filled.note }),
    atMostRow({
      ...memory,
      name: names.restarted,
      ours: median(quick.map(({ mb }) => mb)),
      note: `peak ${peak.toFixed(0)} MB`,
    }),
    atMostRow({
      name: names.quick,
      unit: 's',
      ours: median(quick.map(({ seconds }) => seconds)),
      must: 3,
      note: `CPU ${median(quick.map(({ cpuSeconds }) => cpuSeconds)).toFixed(2)} s`,
    }),
    atMostRow({
      name: names.slow,
      unit: 's CPU',
      ours: median(slow.map(({ cpuSeconds }) => cpuSeconds)),
      must: 10,
      note:
        `wall ${median(slow.map(({ seconds }) => seconds)).toFixed(2)} s, ` +
        `resident ${median(slow.map(({ mb }) => mb)).toFixed(0)} MB`,
    }),
  ];
}

function rowNames(keys: number): Record<'filled' | 'restarted' | 'quick' | 'slow', string> {
  const many = `${keys / 1e6} million keys`;
  return {
    filled: `resident with ${many}, after filling`,
    restarted: `resident with ${many}, after a restart`,
    quick: `restart with ${many} and a checkpoint, until PONG`,
    slow: `restart with ${many} without a checkpoint`,
  };
}

/** A server that is filled over the wire, then ends as a user ends it. */
async function fillMany(
  run: BenchRun,
  keys: number,
): Promise<{ dataDir: string; filled: { mb: number; note: string } }> {
  run.note(`filling a server with ${keys} keys of ${valueBytes} B`);
  await using server = await run.start('ours', 'everysec');
  const load = await runLoader(
    {
      port: server.port,
      connections: 32,
      pipeline: 128,
      work: 'fill',
      prefix: 'key:',
      version: run.nextVersion(),
      firstKey: 0,
      keys,
      valueBytes,
    },
    run.signal,
  );
  await quiet(server, run.signal);
  const count = await server.keyCount();
  if (count !== keys) throw new Error(`the server has ${count} of ${keys} keys`);
  const mb = await residentMb(server, 'VmRSS');
  const peakMb = await residentMb(server, 'VmHWM');
  await server.stop();
  const note = `peak ${peakMb.toFixed(0)} MB, filled at ${Math.round(load.perSecond)} op/s`;
  return { dataDir: server.dataDir, filled: { mb, note } };
}

interface Start {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly mb: number;
  readonly peakMb: number;
}

async function starts(
  run: BenchRun,
  dataDir: string,
  keys: number,
  hasCheckpoint: boolean,
): Promise<Start[]> {
  const all: Start[] = [];
  for (let round = 0; round < run.rounds; round++) {
    run.note(`starting with ${keys} keys, ${hasCheckpoint ? 'with' : 'without'} a checkpoint`);
    const checkpoints = (await readdir(dataDir)).filter((name) => name.startsWith('checkpoint-'));
    if (hasCheckpoint && checkpoints.length === 0) throw new Error('there is no checkpoint');
    if (!hasCheckpoint) await Promise.all(checkpoints.map((name) => rm(join(dataDir, name))));
    const startMs = performance.now();
    await using server = await run.restart(dataDir, 'everysec');
    const seconds = (performance.now() - startMs) / 1000;
    const cpuSeconds = await server.cpuSeconds();
    const count = await server.keyCount();
    if (count !== keys) throw new Error(`after the restart there are ${count} of ${keys} keys`);
    await quiet(server, run.signal);
    const mb = await residentMb(server, 'VmRSS');
    all.push({ seconds, cpuSeconds, mb, peakMb: await residentMb(server, 'VmHWM') });
    await server.stop();
  }
  return all;
}

/** Waits until a server has done what it does behind its users' backs: no CPU for half a second. */
export async function quiet(server: TestServer, signal: AbortSignal): Promise<void> {
  let before = -1;
  await waitFor(
    async () => {
      const last = before;
      before = await server.cpuSeconds();
      return before - last < 0.02;
    },
    { timeoutMs: 60_000, everyMs: 500, what: 'a server to be idle', signal },
  );
}

async function residentMb(server: TestServer, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  return ((await server.proc('status', field)) * 1024) / 1e6;
}
