import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

import { delay, identityOf, throwIfAborted } from '@commongrid/base';
import type { WorkloadId } from '@commongrid/model';
import { atMostRow, cpuSecondsOf, median } from '@commongrid/system/bench';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';

import type { BenchNode } from './bench-node.ts';

const crowdSize = 50;
const idleMs = 60_000;
/** As many restarts, and the median of them. */
const restarts = 3;

/** 50 containers that are started at once, and what the agent does with 200. */
export async function crowdRows(options: BenchOptions, node: BenchNode): Promise<BenchRow[]> {
  const isQuick = options.isQuick === true;
  const size = isQuick ? 5 : crowdSize;
  const crowds = isQuick ? 2 : 4;
  const ids: WorkloadId[] = [];
  const rows: BenchRow[] = [];
  for (let crowd = 0; crowd < crowds; crowd++) {
    throwIfAborted(options.signal);
    options.note(`${size} containers more, beside ${ids.length}`);
    const row = await startCrowd(node, size, ids);
    if (crowd === 0 || crowd === crowds - 1) rows.push(row);
  }
  const count = ids.length;
  options.note(`${count} containers, and nothing to do`);
  rows.push(...(await idleRows(node, count, isQuick ? 2_000 : idleMs)));
  rows.push(await restartRow(options, node, ids));
  return rows;
}

async function startCrowd(node: BenchNode, size: number, ids: WorkloadId[]): Promise<BenchRow> {
  const cpuBefore = await node.cpuMs();
  const agentBefore = await cpuSecondsOf(node.pid);
  const times = await node.run(node.role('crowd', size));
  const cpuMs = ((await node.cpuMs()) - cpuBefore) / size;
  const agentMs = (((await cpuSecondsOf(node.pid)) - agentBefore) * 1_000) / size;
  const accepted = Math.min(...[...times.values()].map(({ acceptedMs }) => acceptedMs));
  const running = Math.max(...[...times.values()].map(({ runningMs }) => runningMs));
  const name = `${size} containers started at once, beside ${ids.length}`;
  ids.push(...times.keys());
  const note = `CPU time of each ${cpuMs.toFixed(0)} ms, the agent's ${agentMs.toFixed(0)} ms`;
  return atMostRow({ name, unit: 's', ours: (running - accepted) / 1_000, note });
}

async function idleRows(node: BenchNode, count: number, forMs: number): Promise<BenchRow[]> {
  const peakMib = await residentMib(node.pid, 'VmHWM');
  // What the last start left to do is over.
  await delay(5_000);
  const [before, agentBefore] = [await node.cpuMs(), await cpuSecondsOf(node.pid)];
  const start = performance.now();
  await delay(forMs);
  const wallMs = performance.now() - start;
  const agentMs = ((await cpuSecondsOf(node.pid)) - agentBefore) * 1_000;
  const allMs = (await node.cpuMs()) - before;
  const percent = (ms: number): number => (100 * ms) / wallMs;
  return [
    atMostRow({
      ...{ name: `CPU of the agent, ${count} containers running`, unit: '% of a core' },
      ...{ ours: percent(agentMs), must: 1 },
      note: `over ${(wallMs / 1_000).toFixed(0)} s; all processes ${percent(allMs).toFixed(2)} %`,
    }),
    atMostRow({
      ...{ name: `memory of the agent, ${count} containers running`, unit: 'MB' },
      ...{ ours: (await residentMib(node.pid, 'VmRSS')) * 1.048576, must: 120 },
      note: `at its highest ${(peakMib * 1.048576).toFixed(0)} MB`,
    }),
  ];
}

/** Killed, and started again; all containers are to be the same processes as before. */
async function restartRow(
  options: BenchOptions,
  node: BenchNode,
  ids: readonly WorkloadId[],
): Promise<BenchRow> {
  const before = await processesOf(node, ids);
  const seconds: number[] = [];
  for (let time = 0; time < restarts; time++) {
    throwIfAborted(options.signal);
    options.note(`the agent killed and started again, ${time + 1} of ${restarts}`);
    await node.endAgent('killed');
    seconds.push((await node.startAgent()) / 1_000);
    assert.deepEqual(await processesOf(node, ids), before);
  }
  const memory = (await residentMib(node.pid, 'VmRSS')) * 1.048576;
  const name = `the agent killed and started again, all ${ids.length} containers seen to be right`;
  const cpuMs = (await cpuSecondsOf(node.pid)) * 1_000;
  const note = [
    'with the start of Node; each container the same process as before',
    `CPU time ${cpuMs.toFixed(0)} ms, memory then ${memory.toFixed(0)} MB`,
  ].join('; ');
  return atMostRow({ name, unit: 's', ours: median(seconds), must: 5, note });
}

async function processesOf(
  node: BenchNode,
  ids: readonly WorkloadId[],
): Promise<readonly string[]> {
  return Promise.all(
    ids.map(async (id) => {
      const pid = await node.processOf(id);
      const found = await identityOf(pid);
      if (found === undefined) throw new Error(`${id} does not run`);
      return `${id} ${pid} ${found.startTicks}`;
    }),
  );
}

async function residentMib(pid: number, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1_024;
}
