import type { DemoStep } from '../steps.ts';
import { isNoted, storedFile } from './altered-program.ts';
import { must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { mayOverwrite, mayStartAltered, programSum } from './inside.ts';
import { pageNode } from './page-client.ts';

/**
 * A program that was changed does not start. On the disk of a machine that was off it is found before anything runs of
 * it, and fetched again. In a container it can be neither written over nor started from a copy, where the contract
 * asks for that; where it does not, as in that of the page, a copy starts.
 */
export const alteredProgramStep: DemoStep<ArchiveScene> = {
  name: 'altered program',
  needs: ['page', 'beyond mandate'],
  async run({ town, notice, altered, page }) {
    if (notice === undefined || altered === undefined || page === undefined) {
      throw new Error('nothing was altered');
    }
    const { path, sha256 } = altered;
    const { node } = notice;
    const sum = await programSum(town, notice);
    must(sum === sha256, `on ${node.name} runs a program of the sum ${sum}, and not ${sha256}`);
    await town.until(`${node.name} to note it`, () => isNoted(altered));
    await town.until('the program to be on its disk again', async () => {
      return (await storedFile(node, sha256, town.signal)) === path;
    });
    must(!(await mayOverwrite(town, notice)), 'the notice may write over its program');
    must(!(await mayStartAltered(town, notice)), 'the notice starts what was altered');
    const other = await pageNode(town, page.id);
    if (other === undefined) throw new Error('the page is on no machine');
    const isFree = await mayStartAltered(town, { id: page.id, node: other });
    must(isFree, 'the page starts no altered program either');
    const disk = `a bit of its program changed on the disk of ${node.name}: found as it booted, noted, fetched again`;
    const inside =
      'an altered copy does not start in its container (image-only), nor is the program written over';
    return `${disk}; ${inside}; in the page, which does not ask for that, a copy starts`;
  },
};
