import type { DemoNode } from '../demo-node.ts';
import { recordsOf } from '../records-of.ts';
import type { DemoStep } from '../steps.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { contractOf, must } from './archive-scene.ts';
import { buyerAnswers, killBuyer } from './buyer-service.ts';
import { placedOn, placementOf } from './contract-places.ts';
import { drawnOne, healed, healingText, withoutMachines } from './outage.ts';

/**
 * The controller is killed while a machine is lost, before it did anything about that. What runs on others goes on;
 * the next controller knows from the log what there is to do.
 */
export const controllerLostStep: DemoStep<ArchiveScene> = {
  name: 'controller lost',
  needs: ['provision'],
  async run(scene) {
    const { town, random } = scene;
    const items = await placementOf(town, contractOf(scene).id);
    const victim = drawnOne(placedOn(town, items, 'shards'), random);
    const others = town.nodes.filter((node) => node !== victim && node.hasPower);
    const revision = await revisionOf(scene);
    let count = 0;
    const healing = await withoutMachines(scene, [victim], async (outage) => {
      const before = await runningOn(others, town.signal);
      await killBuyer(town);
      const placed = await revisionOf(scene);
      must(placed === revision, 'the controller placed anew before it was killed');
      await buyerAnswers(town);
      const after = await runningOn(others, town.signal);
      const ended = [...before].filter((one) => !after.has(one));
      must(ended.length === 0, `${ended.join(', ')} ended with the controller`);
      count = before.size;
      return healed(scene, outage);
    });
    return `${victim.name} and the controller lost; ${count} workloads of other machines went on; ${healingText(healing)}`;
  },
};

/** Workloads of these machines that run, each with how often it was started again. */
async function runningOn(
  nodes: readonly DemoNode[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const all = await Promise.all(
    nodes.map(async (node) => {
      const own = (await node.workloads(signal)).filter(({ phase }) => runningPhases.has(phase));
      return own.map(({ id, restarts }) => `${id} of ${node.name} (${restarts} restarts)`);
    }),
  );
  return new Set(all.flat());
}

const runningPhases: ReadonlySet<string> = new Set(['running', 'healthy', 'unhealthy']);

/** Which placement of the archive counts. */
async function revisionOf(scene: ArchiveScene): Promise<number | undefined> {
  const placements = await recordsOf(scene.town, 'grid.placement.1');
  return placements.find(({ contract }) => contract === contractOf(scene).id)?.revision;
}
