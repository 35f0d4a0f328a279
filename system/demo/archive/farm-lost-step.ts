import type { DemoStep } from '../steps.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { bringBack, drawnOne, healed, healingText, loseMachines } from './outage.ts';

/** All machines of a farm lose their power, as when a house burns down. The other farms have room for all. */
export const farmLostStep: DemoStep<ArchiveScene> = {
  name: 'farm lost',
  needs: ['provision'],
  async run(scene) {
    const { town, random } = scene;
    const { name, nodes } = drawnOne(town.farms, random);
    const healing = await healed(scene, await loseMachines(scene, nodes));
    await bringBack(scene, nodes);
    return `${name} with ${nodes.length} machines lost; ${healingText(healing)}`;
  },
};
