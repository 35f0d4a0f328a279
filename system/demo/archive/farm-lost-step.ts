import type { DemoStep } from '../steps.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { drawnOne, healed, healingText, loseMachines, withoutMachines } from './outage.ts';

/**
 * All machines of a farm lose their power, as when a house burns down. The other farms have room for all. Where
 * something may be nowhere else the farm is that one, and stays without power for the next step.
 */
export const farmLostStep: DemoStep<ArchiveScene> = {
  name: 'farm lost',
  needs: ['provision'],
  async run(scene) {
    const { town, random, notice } = scene;
    const { name, nodes } = notice?.farm ?? drawnOne(town.farms, random);
    const lose = notice === undefined ? withoutMachines : loseMachines;
    const healing = await lose(scene, nodes, (outage) => healed(scene, outage));
    if (notice !== undefined) scene.dark = nodes;
    return `${name} with ${nodes.length} machines lost; ${healingText(healing)}`;
  },
};
