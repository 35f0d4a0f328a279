import type { DemoStep } from '../steps.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { drawnOne, healed, healingText, withoutMachines } from './outage.ts';

/** All machines of a farm lose their power, as when a house burns down. The other farms have room for all. */
export const farmLostStep: DemoStep<ArchiveScene> = {
  name: 'farm lost',
  needs: ['provision'],
  async run(scene) {
    const { town, random } = scene;
    const { name, nodes } = drawnOne(town.farms, random);
    const healing = await withoutMachines(scene, nodes, (outage) => healed(scene, outage));
    return `${name} with ${nodes.length} machines lost; ${healingText(healing)}`;
  },
};
