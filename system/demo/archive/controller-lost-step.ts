import type { DemoNode } from '../demo-node.ts';
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
    const before = await healthyOn(others, town.signal);
    const healing = await withoutMachines(scene, [victim], async (outage) => {
      await killBuyer(town);
      const after = await healthyOn(others, town.signal);
      must(after >= before, `${before - after} of ${before} workloads ended with the controller`);
      await buyerAnswers(town);
      return healed(scene, outage);
    });
    return `${victim.name} and the controller lost; ${before} workloads of other machines went on; ${healingText(healing)}`;
  },
};

/** Workloads on these machines that run as they should, as their nodes say. */
async function healthyOn(nodes: readonly DemoNode[], signal: AbortSignal): Promise<number> {
  const all = await Promise.all(nodes.map((node) => node.status(signal)));
  return all.reduce((sum, { phases }) => sum + (phases['healthy'] ?? 0), 0);
}
