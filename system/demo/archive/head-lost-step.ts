import type { DemoNode } from '../demo-node.ts';
import type { DemoStep } from '../steps.ts';
import { s3Port } from './archive-contract.ts';
import { contractOf, must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { placedOn, placementOf } from './contract-places.ts';
import { healed, healingText, secondsSince, withoutMachines } from './outage.ts';
import { StoreProbe } from './store-probe.ts';

/** Most that it may take until a client has an answer of another head, s. */
const failoverSecondsMax = 5;
/** For one request, s. */
const requestSeconds = 30;
/** For a head to say whether it serves, ms. */
const healthTimeoutMs = 2_000;

/** The machine whose head serves loses its power: clients are answered by the other one, and another one stands by. */
export const headLostStep: DemoStep<ArchiveScene> = {
  name: 'S3 head lost',
  needs: ['data'],
  async run(scene) {
    const { town, slack } = scene;
    const probe = await StoreProbe.open(scene);
    const key = 'probe/head-lost';
    const { status } = await probe.put(key, requestSeconds);
    must(status === 200, `a write was answered ${status}`);
    const victim = await activeHead(scene);
    return withoutMachines(scene, [victim], async (outage) => {
      await town.until('an answer of the other head', async () => {
        return (await probe.get(key, requestSeconds)).status === 200;
      });
      const seconds = secondsSince(outage.startedMs);
      const next = await activeHead(scene);
      const healing = await healed(scene, outage);
      const limit = failoverSecondsMax * slack;
      must(seconds <= limit, `a client waited ${seconds.toFixed(1)} s, more than ${limit} s`);
      return {
        figure: `${victim.name} lost; a client is answered by ${next.name} after ${seconds.toFixed(1)} s; ${healingText(healing)}`,
        measures: { headFailoverSeconds: seconds },
      };
    });
  },
};

/** The machine whose head serves. */
export async function activeHead(scene: ArchiveScene): Promise<DemoNode> {
  return scene.town.until('a head of S3 to serve', () => servingHead(scene));
}

/** The machine whose head serves now; undefined where none does. */
export async function servingHead(scene: ArchiveScene): Promise<DemoNode | undefined> {
  const { town } = scene;
  const nodes = placedOn(town, await placementOf(town, contractOf(scene).id), 'heads');
  for (const node of nodes) if (await isServing(node)) return node;
  return undefined;
}

async function isServing({ address }: DemoNode): Promise<boolean> {
  const signal = AbortSignal.timeout(healthTimeoutMs);
  try {
    const answer = await fetch(`http://${address}:${s3Port}/-/health`, { signal });
    return answer.ok;
  } catch {
    return false;
  }
}
