import type { DemoStep } from '../steps.ts';
import { must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { agree, build } from './board.ts';
import { doorOf } from './doors.ts';
import { askPage, untilPage } from './page-client.ts';
import { pageContract } from './page-contract.ts';

const text = 'archive';

/** The page of the archive, by a contract of its own, whose board is the same. */
export const pageStep: DemoStep<ArchiveScene> = {
  name: 'page',
  needs: ['provision'],
  async run(scene) {
    const { town } = scene;
    const built = await build(town, 'page', pageContract({ text }));
    await agree(town, built);
    const startedMs = performance.now();
    const node = await untilPage(town, built.id, text);
    const took = ((performance.now() - startedMs) / 1_000).toFixed(1);
    const door = await doorOf(town, built.id, 'web');
    const said = await askPage(town, door);
    must(said === text, `at its door it says ${said}`);
    scene.page = { id: built.id, text, door };
    return `${node.name} says "${text}" ${took} s after the board signed, and so does ${door} of this machine`;
  },
};
