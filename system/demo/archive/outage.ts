import type { Random } from '@commongrid/base';

import type { DemoNode } from '../demo-node.ts';
import type { DemoTown } from '../demo-town.ts';
import { recordsOf } from '../records-of.ts';
import { must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { untilHealed, untilWhole } from './contract-places.ts';

/** How long healing took, from when the power was lost. */
interface Healing {
  /** Until all that was lost ran elsewhere, s. */
  readonly replacedSeconds: number;
  /** Until the store had made again all that was lost, s. */
  readonly wholeSeconds: number;
}

/** Machines without power. */
interface Outage {
  readonly victims: readonly DemoNode[];
  /** Of `performance.now()`. */
  readonly startedMs: number;
  /** Approvals that were in the log. */
  readonly approvals: number;
}

/**
 * Machines lose their power at once, and no process of them is left when the work begins. Those that it leaves without
 * have it again afterwards, and stop what is no longer theirs; also when the work fails, for the steps that come.
 */
export async function withoutMachines<T>(
  scene: ArchiveScene,
  victims: readonly DemoNode[],
  work: (outage: Outage) => Promise<T>,
): Promise<T> {
  return loseMachines(scene, victims, async (outage) => {
    const result = await work(outage);
    await powerBack(scene, victims);
    return result;
  });
}

/** The same, but what has no power when the work is done stays without, for a step that gives it back by `powerBack`. */
export async function loseMachines<T>(
  scene: ArchiveScene,
  victims: readonly DemoNode[],
  work: (outage: Outage) => Promise<T>,
): Promise<T> {
  const approvals = await approvalsIn(scene.town);
  const startedMs = performance.now();
  return orPowered(scene, victims, async () => {
    await killAll(victims);
    return work({ victims, startedMs, approvals });
  });
}

/** When the work fails all of them have power again, for the steps that come; why it failed is what is told. */
export async function orPowered<T>(
  { town: { signal } }: ArchiveScene,
  victims: readonly DemoNode[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    for (const node of lostOf(victims)) node.restart();
    await Promise.allSettled(victims.map((node) => node.inService(signal)));
    throw error;
  }
}

function lostOf(victims: readonly DemoNode[]): readonly DemoNode[] {
  return victims.filter(({ hasPower }) => !hasPower);
}

/** All of them lose their power, also when one does not go. @throws why it did not */
async function killAll(victims: readonly DemoNode[]): Promise<void> {
  const kills = await Promise.allSettled(victims.map((node) => node.kill()));
  for (const kill of kills) if (kill.status === 'rejected') throw kill.reason;
}

/** Waits until all that was lost is there again without them. @throws when somebody signed meanwhile */
export async function healed(
  scene: ArchiveScene,
  { victims, startedMs, approvals }: Outage,
): Promise<Healing> {
  await untilHealed(scene, victims);
  const replacedSeconds = secondsSince(startedMs);
  await untilWhole(scene, victims);
  const wholeSeconds = secondsSince(startedMs);
  must((await approvalsIn(scene.town)) === approvals, 'somebody had to sign');
  return { replacedSeconds, wholeSeconds };
}

/** Those that have none have power again, and stop what is no longer theirs: all but what may be nowhere else. */
export async function powerBack(
  { town, notice }: ArchiveScene,
  victims: readonly DemoNode[],
): Promise<void> {
  const lost = lostOf(victims);
  for (const node of lost) node.restart();
  await Promise.all(lost.map((node) => node.inService(town.signal)));
  for (const node of lost) {
    await town.until(`${node.name} to run nothing that is elsewhere`, async () => {
      const all = await node.workloads(town.signal);
      return all.every(({ id, phase }) => {
        return !runningPhases.has(phase) || (notice !== undefined && id.startsWith(notice.id));
      });
    });
  }
}

/** Phases in which a workload does something. */
const runningPhases: ReadonlySet<string> = new Set(['starting', 'running', 'healthy', 'unhealthy']);

/** `replaced after 13.1 s, all made again after 17.0 s` */
export function healingText({ replacedSeconds, wholeSeconds }: Healing): string {
  const [replaced, whole] = [replacedSeconds.toFixed(1), wholeSeconds.toFixed(1)];
  return `all placed elsewhere after ${replaced} s, the store whole after ${whole} s, with no signature`;
}

/** So many of them, each as likely. */
export function drawn<T>(all: readonly T[], count: number, random: Random): readonly T[] {
  const left = [...all];
  return Array.from({ length: Math.min(count, all.length) }, () => {
    return left.splice(random.int(0, left.length), 1);
  }).flat();
}

/** One of them, each as likely. @throws when there is none */
export function drawnOne<T>(all: readonly T[], random: Random): T {
  const [one] = drawn(all, 1, random);
  if (one === undefined) throw new Error('there is nothing to choose from');
  return one;
}

/** @param startedMs of `performance.now()` */
export function secondsSince(startedMs: number): number {
  return (performance.now() - startedMs) / 1_000;
}

async function approvalsIn(town: DemoTown): Promise<number> {
  return (await recordsOf(town, 'grid.approval.1')).length;
}
