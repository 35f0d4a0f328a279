import { isGridError } from '@commongrid/base';
import type { ContractStatus } from '@commongrid/contract';
import type { ContractId } from '@commongrid/model';
import { RespClient } from '@commongrid/resp';

import { processesOf, runsZeroDb } from '../../machines/machine-processes.ts';
import type { DemoNode, ZdbDoor } from '../demo-node.ts';
import type { DemoTown } from '../demo-town.ts';
import type { DemoStep } from '../steps.ts';
import { contractOf, must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { statusOf } from './board.ts';
import { contractsOf, shown, untilAllBack } from './ledger.ts';

/** The namespace that each Zero-DB has from its beginning. */
const firstNamespace = 'default';
/** For machines to be empty, and money to be back, ms. */
const goneTimeoutMs = 300_000;

/**
 * What two of the board agree to remove is gone from all machines, data and all, and the money that was not used is
 * back. One signature does nothing.
 */
export const removalStep: DemoStep<ArchiveScene> = {
  name: 'removal',
  needs: ['provision'],
  async run(scene) {
    const { town } = scene;
    const { id } = contractOf(scene);
    const refusal = await removeByOne(town, id);
    await remove(town, 'business', id);
    const startedMs = performance.now();
    const others = (await contractsOf(town)).filter((one) => one !== id);
    for (const one of others) await removeByTwo(town, one);
    await town.until(
      'the end of all contracts',
      () => areClosed(town, [id, ...others]),
      goneTimeoutMs,
    );
    for (const node of town.nodes) {
      await town.until(`${node.name} to be empty`, () => isEmpty(town, node), goneTimeoutMs);
    }
    const removalSeconds = (performance.now() - startedMs) / 1_000;
    const { buyer, farmers, held } = await untilAllBack(town, goneTimeoutMs);
    const rest = held === 0n ? 'nothing' : `${shown(held)} for places that never began`;
    const money = `${shown(farmers)} earned by farmers, ${shown(buyer)} with the buyer, ${rest} put aside`;
    return {
      figure: `with 1 of 2 signatures: ${refusal}, and all runs; then ${town.nodes.length} machines empty after ${removalSeconds.toFixed(1)} s; ${money}`,
      measures: { removalSeconds },
    };
  },
};

/** Says yes to the end of a contract. */
async function remove(town: DemoTown, bot: string, id: ContractId): Promise<void> {
  await town.as(bot, 'contract', 'remove', id, '--yes');
}

/** The owner and one of two of the board: nothing ends. @returns the code with which the log refuses an end */
async function removeByOne(town: DemoTown, id: ContractId): Promise<string> {
  const before = await statusOf(town, id);
  await remove(town, 'buyer', id);
  await remove(town, 'expert', id);
  const refusal = await buryByForce(town, before);
  // What is not ready for a moment has nothing to do with it: that it all runs on is waited for.
  await town.until('all to run on with one signature', async () => {
    const { phase, workloads } = await statusOf(town, id);
    must(!endPhases.has(phase), `removed by one of two it is ${phase}`);
    const left = new Set(workloads.map((one) => one.id));
    return phase === 'running' && before.workloads.every((one) => left.has(one.id));
  });
  return refusal;
}

/** Of a contract that ends, or stands still. */
const endPhases: ReadonlySet<ContractStatus['phase']> = new Set(['paused', 'removing', 'closed']);

/** The buyer gives data up that the board did not. @returns the code of the refusal */
async function buryByForce(town: DemoTown, { workloads }: ContractStatus): Promise<string> {
  const [first] = workloads;
  if (first === undefined) throw new Error('nothing runs that could be removed');
  const value = JSON.stringify({ workload: first.id, revision: 1, reason: 'removed' });
  return town.refused('buyer', 'bcdb', 'put', 'grid', 'grid.tombstone.1', first.id, value);
}

/** Both at once, each one contract after the other: two commands by one key would be in each other's way. */
async function removeByTwo(town: DemoTown, id: ContractId): Promise<void> {
  await Promise.all(['expert', 'business'].map((bot) => remove(town, bot, id)));
}

async function areClosed(town: DemoTown, ids: readonly ContractId[]): Promise<boolean> {
  for (const id of ids) {
    if ((await statusOf(town, id)).phase !== 'closed') return false;
  }
  return true;
}

/** Whether a machine has no process of a container, no namespace, and no room given away. */
async function isEmpty({ signal }: DemoTown, node: DemoNode): Promise<boolean> {
  const { zdb, used } = await node.status(signal);
  const isFree = Object.values(used).every((amount) => amount === 0);
  if (!isFree || (await processesOf(node.prefix)).length > 0) return false;
  try {
    const lists = await Promise.all(zdb.map(namespacesOf));
    return lists.flat().every((name) => name === firstNamespace);
  } catch (error) {
    const isSilent =
      isGridError(error, 'RESP_CONNECT_FAILED') || isGridError(error, 'RESP_CONNECTION_LOST');
    if (!isSilent) throw error;
    // One that was killed with its machine, and that nobody needs since, is not started again.
    return !(await runsZeroDb(node.folder));
  }
}

/** Namespaces of a Zero-DB. */
export async function namespacesOf({
  host,
  port,
  fingerprint,
}: ZdbDoor): Promise<readonly string[]> {
  const client = await RespClient.connect({ host, port, tls: { fingerprint256: fingerprint } });
  try {
    const reply = await client.command(['NSLIST']);
    if (!Array.isArray(reply)) throw new Error(`${host}:${port} does not tell its namespaces`);
    return reply.map(String);
  } finally {
    await client.close();
  }
}
