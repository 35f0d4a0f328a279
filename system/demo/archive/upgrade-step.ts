import type { DemoTown } from '../demo-town.ts';
import { recordsOf } from '../records-of.ts';
import type { DemoStep } from '../steps.ts';
import { must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { agree, build, placeByForce, sign, statusOf } from './board.ts';
import type { BuiltContract } from './board.ts';
import { untilPage } from './page-client.ts';
import { pageContract } from './page-contract.ts';
import { PageWatch } from './page-watch.ts';

const text = 'archive, second edition';

/**
 * Another version of the page begins once two of the board agree, beside the former one, so that it is answered all the
 * while. One that never answers is taken back by itself.
 */
export const upgradeStep: DemoStep<ArchiveScene> = {
  name: 'upgrade',
  needs: ['page'],
  async run(scene) {
    const { town, page } = scene;
    if (page === undefined) throw new Error('there is no page');
    const next = await build(town, 'page-2', pageContract({ text, replaces: page.id }));
    await using rolling = new PageWatch(town, page.door);
    const refusal = await signByOne(town, next, page.text, rolling);
    await sign(town, 'business', next.id);
    const upgradeSeconds = await secondsUntil(async () => {
      await untilPage(town, next.id, text);
      await town.until('the former version to end', async () => {
        return (await statusOf(town, page.id)).workloads.length === 0;
      });
    });
    scene.page = { ...page, id: next.id, text };
    await town.until('the next version at the door', async () => rolling.texts.has(text));
    await rolling[Symbol.asyncDispose]();
    requireAnswers(rolling, [page.text, text]);

    const bad = await build(
      town,
      'page-3',
      pageContract({ text: '', answers: false, replaces: next.id }),
    );
    await using kept = new PageWatch(town, page.door);
    await agree(town, bad);
    const rollbackSeconds = await secondsUntil(() => untilTakenBack(town, bad));
    const known = kept.answered;
    await town.until('one more answer', async () => kept.answered > known);
    await kept[Symbol.asyncDispose]();
    requireAnswers(kept, [text]);
    const asked = rolling.answered + kept.answered;
    const figure =
      `with 1 of 2 signatures: ${refusal}; the next version ${upgradeSeconds.toFixed(1)} s after the second one; ` +
      `one that never answers taken back ${rollbackSeconds.toFixed(1)} s after it was signed; asked ${asked} times, answered each time`;
    return { figure, measures: { upgradeSeconds, rollbackSeconds } };
  },
};

/** With one signature of two nothing begins, whoever tries. @returns the code with which the log refuses it */
async function signByOne(
  town: DemoTown,
  next: BuiltContract,
  before: string,
  watch: PageWatch,
): Promise<string> {
  await town.as('buyer', 'contract', 'propose', next.file);
  await sign(town, 'buyer', next.id);
  const { phase, workloads } = await sign(town, 'expert', next.id);
  must(phase === 'signing', `signed by one of the board it is ${phase}`);
  must(workloads.length === 0, 'it runs with one signature');
  const refusal = await placeByForce(town, next.id, 'web');
  const known = watch.answered;
  await town.until('one more answer', async () => watch.answered > known);
  requireAnswers(watch, [before]);
  return refusal;
}

async function untilTakenBack(town: DemoTown, { id }: BuiltContract): Promise<void> {
  await town.until('the bad version to be taken back', async () => {
    const placements = await recordsOf(town, 'grid.placement.1');
    const own = placements.find(({ contract }) => contract === id);
    return own?.reason === 'rollback' && own.items.length === 0;
  });
}

/** @throws unless it was answered each time, by each of these texts, and by no other */
function requireAnswers({ texts, silent }: PageWatch, wanted: readonly string[]): void {
  must(silent === 0, `nobody answered ${silent} times`);
  const [said, due] = [[...texts.keys()], wanted].map((all) => all.toSorted().join('", "'));
  must(said === due, `it said "${said}", and not "${due}"`);
}

async function secondsUntil(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / 1_000;
}
