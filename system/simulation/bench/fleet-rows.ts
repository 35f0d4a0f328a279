import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { atMostRow, median } from '../../bench/index.ts';
import type { BenchOptions, BenchRow } from '../../bench/index.ts';
import type { FleetReport } from '../fleet.ts';

/** Nodes of the fleets, each twice the one before. */
const sizes = [250, 500, 1_000] as const;
const sizesQuick = [30, 60] as const;
const workloadsOfNode = 10;

/** Rows begin so. */
export const fleetName = 'simulation';

/**
 * What a controller needs for fleets of simulated nodes of which a tenth dies: how long, in virtual
 * time, and how much processor and memory, really. Each fleet is a process of its own.
 */
export async function fleetRows(options: BenchOptions): Promise<BenchRow[]> {
  const all = options.isQuick === true ? sizesQuick : sizes;
  const measured: { readonly nodes: number; readonly reports: readonly FleetReport[] }[] = [];
  for (const nodes of all) {
    const reports: FleetReport[] = [];
    for (let round = 0; round < options.rounds; round++) {
      options.note(`${nodes} simulated nodes, round ${round + 1} of ${options.rounds}`);
      reports.push(await runApart(nodes, round, options.signal));
    }
    measured.push({ nodes, reports });
  }
  const rows = measured.flatMap(({ nodes, reports }) => rowsOf(nodes, reports));
  const [first, last] = [measured[0], measured.at(-1)];
  if (first === undefined || last === undefined) return rows;
  const cost = ({ reports }: typeof first): number => median(reports.map(cpuSeconds));
  const growth = cost(last) / last.nodes / (cost(first) / first.nodes);
  return [
    ...rows,
    atMostRow({
      name: `${fleetName}: processor time of a node, ${last.nodes} nodes beside ${first.nodes}`,
      ...{ unit: 'x', ours: growth, must: 1.5 },
      note: '1 is linear; placing and healing together',
    }),
  ];
}

function rowsOf(nodes: number, reports: readonly FleetReport[]): BenchRow[] {
  const of = (figure: (one: FleetReport) => number): number => median(reports.map(figure));
  const lost = of((one) => one.lost);
  const workloads = nodes * workloadsOfNode;
  const fleet = `${fleetName}: ${nodes} nodes, ${workloads} workloads`;
  return [
    atMostRow({
      name: `${fleet}, a tenth of the nodes dies, until all runs again`,
      ...{ unit: 's', ours: of((one) => one.healedSeconds), must: 15 },
      note: `virtual time; ${lost} replicas moved; first placed in ${of((one) => one.placedSeconds)} s`,
    }),
    atMostRow({
      name: `${fleet}, processor time of the controller`,
      ...{ unit: 's', ours: of(cpuSeconds) },
      note: `placing ${of((one) => one.placingCpuSeconds).toFixed(2)} s, healing ${of((one) => one.controllerCpuSeconds).toFixed(2)} s`,
    }),
    atMostRow({
      name: `${fleet}, memory`,
      ...{ unit: 'MB', ours: of((one) => one.heapBytes) / 1e6 },
      note: 'of the controller and the whole simulated grid in one process',
    }),
  ];
}

function cpuSeconds({ placingCpuSeconds, controllerCpuSeconds }: FleetReport): number {
  return placingCpuSeconds + controllerCpuSeconds;
}

/** @throws with what the process said last */
async function runApart(nodes: number, seed: number, signal: AbortSignal): Promise<FleetReport> {
  const words = [join(import.meta.dirname, 'fleet-main.ts'), String(nodes), String(seed)];
  const child = spawn(process.execPath, ['--expose-gc', ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  });
  const [said, failed, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  if (status !== 0) throw new Error(`the fleet of ${nodes} nodes failed: ${failed.slice(-500)}`);
  return JSON.parse(said) as FleetReport;
}
