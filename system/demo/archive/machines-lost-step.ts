import type { Random } from '@commongrid/base';

import type { DemoStep } from '../steps.ts';
import { placesOf } from './archive-contract.ts';
import { must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { placedOn, untilReady } from './contract-places.ts';

/**
 * As many machines with shards as the code bears lose their power at once. What they had is placed elsewhere with no
 * new signature. Then they are back, and stop what is no longer theirs.
 */
export const machinesLostStep: DemoStep<ArchiveScene> = {
  name: 'machines lost',
  needs: ['provision'],
  async run(scene) {
    const { town, shards, random } = scene;
    const wanted = placesOf(shards);
    const before = await untilReady(town, wanted);
    const victims = drawn(placedOn(town, before.workloads, 'shards'), shards.parity, random);
    const startedMs = performance.now();
    await Promise.all(victims.map((node) => node.kill()));
    const after = await untilReady(town, wanted, victims);
    const healed = ((performance.now() - startedMs) / 1_000).toFixed(1);
    const holders = placedOn(town, after.workloads, 'shards').length;
    must(holders === shards.data + shards.parity, `shards are on ${holders} nodes`);
    for (const node of victims) node.restart();
    await Promise.all(victims.map((node) => node.inService(town.signal)));
    for (const node of victims) {
      await town.until(`${node.name} to run nothing any more`, async () => {
        const { phases } = await node.status(town.signal);
        return runningPhases.every((phase) => (phases[phase] ?? 0) === 0);
      });
    }
    const names = victims.map(({ name }) => name).join(' and ');
    return `${names} lost; ${wanted} of ${wanted} ready elsewhere after ${healed} s with no signature; back, they run nothing`;
  },
};

/** Phases in which a workload does something. */
const runningPhases = ['starting', 'running', 'healthy', 'unhealthy'] as const;

/** So many of them, each as likely. */
function drawn<T>(all: readonly T[], count: number, random: Random): readonly T[] {
  const left = [...all];
  return Array.from({ length: Math.min(count, all.length) }, () => {
    return left.splice(random.int(0, left.length), 1);
  }).flat();
}
