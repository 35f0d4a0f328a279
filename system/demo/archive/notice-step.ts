import { workloadIdOf } from '@commongrid/model';
import type { ContractId } from '@commongrid/model';
import { shortIdOf } from '@commongrid/node';

import { runningIn } from '../../machines/machine-processes.ts';
import type { DemoNode } from '../demo-node.ts';
import type { DemoTown } from '../demo-town.ts';
import type { DemoStep } from '../steps.ts';
import { storedFile } from './altered-program.ts';
import { must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { agree, build } from './board.ts';
import { placementOf } from './contract-places.ts';
import { programSum } from './inside.ts';
import { noticeContract } from './notice-contract.ts';
import { drawnOne } from './outage.ts';

/** A contract that may run in one country alone, before its only farm there is lost. */
export const noticeStep: DemoStep<ArchiveScene> = {
  name: 'notice',
  needs: ['provision'],
  async run(scene) {
    const { town, random } = scene;
    const farm = drawnOne(town.farms, random);
    const country = farm.plan.code.toUpperCase();
    const built = await build(town, 'notice', noticeContract(country));
    await agree(town, built);
    const startedMs = performance.now();
    const node = await untilNotice(town, built.id);
    const took = ((performance.now() - startedMs) / 1_000).toFixed(1);
    must(farm.nodes.includes(node), `${node.name} is not in ${country}`);
    const sum = await programSum(town, { id: built.id, node });
    // Once all of it was read the machine keeps it whole.
    await town.until('its program on the disk', () => storedFile(node, sum, town.signal));
    scene.notice = { id: built.id, farm, node, programSum: sum };
    return `healthy on ${node.name} ${took} s after the board signed; it may run in ${country} alone, and start nothing but what its image has`;
  },
};

/** Waits until the notice is healthy. @returns the machine that it is placed on */
export function untilNotice(town: DemoTown, id: ContractId): Promise<DemoNode> {
  const workload = workloadIdOf(id, 'web', 0);
  return town.until('the notice to be healthy', async () => {
    const [item] = await placementOf(town, id);
    const node = town.nodes.find((one) => one.id === item?.node);
    if (node === undefined) return false;
    const all = await node.workloads(town.signal);
    const isHealthy = all.some((one) => one.id === workload && one.phase === 'healthy');
    // A machine that had no power goes by what it knew before until it has looked.
    return isHealthy && (await runningIn(node.prefix)).has(shortIdOf(workload)) && node;
  });
}
