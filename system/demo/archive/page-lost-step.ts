import type { DemoStep } from '../steps.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { must } from './archive-scene.ts';
import { healed, healingText, secondsSince, withoutMachines } from './outage.ts';
import { pageNode, untilPage } from './page-client.ts';

/** Most that it may take until the page answers from another machine, s. */
const movedSecondsMax = 15;

/** The machine of the page loses its power: the page answers from another one. */
export const pageLostStep: DemoStep<ArchiveScene> = {
  name: 'page lost',
  needs: ['page'],
  async run(scene) {
    const { town, page, slack } = scene;
    const victim = page && (await pageNode(town, page.id));
    if (page === undefined || victim === undefined) throw new Error('the page is on no machine');
    return withoutMachines(scene, [victim], async (outage) => {
      const next = await untilPage(town, page.id, page.text);
      const seconds = secondsSince(outage.startedMs);
      const healing = await healed(scene, outage);
      const limit = movedSecondsMax * slack;
      must(seconds <= limit, `it answered after ${seconds.toFixed(1)} s, more than ${limit} s`);
      return {
        figure: `${victim.name} lost; ${next.name} shows it after ${seconds.toFixed(1)} s; ${healingText(healing)}`,
        measures: { appMovedSeconds: seconds },
      };
    });
  },
};
