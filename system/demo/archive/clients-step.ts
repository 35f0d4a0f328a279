import { formatBytes } from '@commongrid/base';

import type { DemoStep } from '../steps.ts';
import { must, storeOf } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';

/** What came of the clients that read and wrote from the first object to the end. */
export const clientsStep: DemoStep<ArchiveScene> = {
  name: 'clients',
  needs: ['data'],
  async run(scene) {
    const { traffic } = storeOf(scene);
    await traffic.stop();
    const { reads, writes, expected, wrong, hung, problems } = traffic.figures();
    const failed = reads.failed + writes.failed;
    must(failed === 0 && wrong === 0, `${failed} failed, ${wrong} wrong: ${problems.join('; ')}`);
    must(hung === 0, `${hung} took longer than any answer may`);
    must(reads.done > 0 && writes.done > 0, 'nothing was read or written');
    const longestMs = Math.max(reads.longestMs, writes.longestMs);
    const clean = expected.reads.failed + expected.writes.failed;
    const amounts = `${reads.done} reads of ${formatBytes(reads.bytes)}, ${writes.done} writes of ${formatBytes(writes.bytes)}`;
    const others = `${clean} failed cleanly while too much was lost`;
    return {
      figure: `${amounts}, 0 failed; longest wait ${(longestMs / 1_000).toFixed(1)} s; ${others}`,
      measures: { reads: reads.done, writes: writes.done, longestWaitSeconds: longestMs / 1_000 },
    };
  },
};
