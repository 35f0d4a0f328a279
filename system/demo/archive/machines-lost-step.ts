import type { DemoStep } from '../steps.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { contractOf } from './archive-scene.ts';
import { namesOf, placedOn, placementOf } from './contract-places.ts';
import { drawn, healed, healingText, withoutMachines } from './outage.ts';

/**
 * As many machines with shards as the code bears lose their power at once. What they had is placed elsewhere with no
 * new signature, and made again. Then they are back, and stop what is no longer theirs.
 */
export const machinesLostStep: DemoStep<ArchiveScene> = {
  name: 'machines lost',
  needs: ['provision'],
  async run(scene) {
    const { town, shards, random } = scene;
    const items = await placementOf(town, contractOf(scene).id);
    const victims = drawn(placedOn(town, items, 'shards'), shards.parity, random);
    const healing = await withoutMachines(scene, victims, (outage) => healed(scene, outage));
    return {
      figure: `${namesOf(victims)} lost; ${healingText(healing)}; back, they run nothing`,
      measures: { shardReplacedSeconds: healing.replacedSeconds },
    };
  },
};
