import type { DemoNode } from '../demo-node.ts';
import type { DemoTown } from '../demo-town.ts';
import type { DemoStep } from '../steps.ts';
import { must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';

/** The first farm takes images from a mirror that changes a chunk: its nodes refuse that, say so, and have it from the hub. */
export const tamperedChunkStep: DemoStep<ArchiveScene> = {
  name: 'tampered chunk',
  needs: ['provision'],
  async run({ town }) {
    const { mirror, farms } = town;
    const nodes = farms[0]?.nodes ?? [];
    const told = await town.until('a node to refuse a chunk', async () => {
      const all = await Promise.all(nodes.map((node) => refusedBy(town, node)));
      const refusing = all.filter(({ ofMirror }) => ofMirror > 0);
      return refusing.length > 0 && refusing;
    });
    must(mirror.changed > 0, 'the mirror changed nothing');
    for (const { node, ofOthers } of told) {
      must(ofOthers === 0, `${node.name} refused ${ofOthers} chunks of the hub`);
      const workloads = await node.workloads(town.signal);
      const runs = workloads.some(({ kind, phase }) => kind === 'container' && phase === 'healthy');
      must(runs, `no container runs on ${node.name}`);
    }
    const names = told.map(({ node }) => node.name).join(' and ');
    return `chunk ${mirror.chunk?.slice(0, 8)} of the mirror is wrong: refused by ${names}, which says so in its status, and taken from the hub; all runs`;
  },
};

/** Wrong chunks that a node had, by whom it had them. */
async function refusedBy(
  { mirror, signal }: DemoTown,
  node: DemoNode,
): Promise<{ readonly node: DemoNode; readonly ofMirror: number; readonly ofOthers: number }> {
  const { images } = await node.status(signal);
  let [ofMirror, ofOthers] = [0, 0];
  for (const { name, refusedChunks } of images ?? []) {
    if (name.startsWith(mirror.url)) ofMirror += refusedChunks;
    else ofOthers += refusedChunks;
  }
  return { node, ofMirror, ofOthers };
}
