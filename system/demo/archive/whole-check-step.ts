import type { DemoStep } from '../steps.ts';
import { must, storeOf } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';

/** Everything that was loaded, and all that was written and acknowledged since, is read back and compared. */
export const wholeCheckStep: DemoStep<ArchiveScene> = {
  name: 'whole check',
  needs: ['data'],
  async run(scene) {
    const { client, traffic } = storeOf(scene);
    await traffic.stop();
    const startedMs = performance.now();
    const sums = await client.sums();
    const took = ((performance.now() - startedMs) / 1_000).toFixed(1);
    const { objects } = traffic;
    const wrong = objects.filter(({ key, sha256 }) => sums.get(key) !== sha256);
    const names = wrong.slice(0, 3).map(({ key }) => `${key} (${sums.get(key) ?? 'missing'})`);
    must(wrong.length === 0, `${wrong.length} of ${objects.length} differ: ${names.join(', ')}`);
    return `${objects.length} of ${objects.length} objects read back in ${took} s, each with its SHA-256`;
  },
};
