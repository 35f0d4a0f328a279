import { isGridError } from '@commongrid/base';
import type { ContractStatus } from '@commongrid/contract';
import type { ContractId, RecordOf } from '@commongrid/model';

import type { DemoNode } from '../demo-node.ts';
import type { DemoTown } from '../demo-town.ts';
import { recordsOf } from '../records-of.ts';
import { placesOf } from './archive-contract.ts';
import { contractOf } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';

/** For all of a contract to run, ms. */
const readyTimeoutMs = 300_000;

type Items = RecordOf<'grid.placement.1'>['items'];

/** What the bot of the buyer says of a contract that it controls. */
interface Standing {
  readonly phase: string | null;
  readonly blocked: readonly { readonly code: string }[];
  readonly silent: readonly { readonly node: string }[];
  readonly store: { readonly isWhole: boolean } | null;
}

/** Waits until so many places of the archive are ready. */
export function untilReady(town: DemoTown, wanted: number): Promise<ContractStatus> {
  const look = async (): Promise<ContractStatus | false> => {
    const status = await town.as<ContractStatus>('buyer', 'contract', 'status', 'archive');
    return status.readyCount === wanted && status.workloads.length === wanted && status;
  };
  return town.until(`${wanted} places to be ready`, look, readyTimeoutMs);
}

/** Waits until archive and page run as they should, on none of these machines, and nobody of them is silent. */
export function untilHealed(scene: ArchiveScene, except: readonly DemoNode[]): Promise<void> {
  return until(scene, `all to run elsewhere than on ${namesOf(except)}`, async () => {
    return isHealed(scene, except);
  });
}

/** The same, and until the store has all shards of all chunks again, each on a machine of its own. */
export function untilWhole(scene: ArchiveScene, except: readonly DemoNode[]): Promise<void> {
  return until(scene, 'the store to be whole', () => isWhole(scene, except));
}

/** Whether all of it is so now: healed, and the store whole. */
export async function isWhole(scene: ArchiveScene, except: readonly DemoNode[]): Promise<boolean> {
  const standing = await standingOf(scene, contractOf(scene).id);
  return standing?.store?.isWhole === true && (await isHealed(scene, except));
}

/** Waits until the controller says that a contract waits for something, by its code. */
export function untilBlocked(
  scene: ArchiveScene,
  code: string,
  id: ContractId = contractOf(scene).id,
): Promise<void> {
  return until(scene, `the bot of the buyer to say ${code}`, async () => {
    const standing = await standingOf(scene, id);
    return standing?.blocked.some((one) => one.code === code) === true;
  });
}

/** Where a contract is placed. */
export async function placementOf(town: DemoTown, contract: ContractId): Promise<Items> {
  const placements = await recordsOf(town, 'grid.placement.1');
  return placements.find((one) => one.contract === contract)?.items ?? [];
}

/** Machines that have replicas of a role, in the order of the town. */
export function placedOn({ nodes }: DemoTown, items: Items, role: string): readonly DemoNode[] {
  const ids = new Set<string>(items.filter((one) => one.role === role).map(({ node }) => node));
  return nodes.filter(({ id }) => ids.has(id));
}

/** `be-1 and ch-2` */
export function namesOf(nodes: readonly DemoNode[]): string {
  return nodes.map(({ name }) => name).join(' and ');
}

async function isHealed(scene: ArchiveScene, except: readonly DemoNode[]): Promise<boolean> {
  const { town, shards, page } = scene;
  const lost = new Set<string>(except.map(({ id }) => id));
  const contracts = [
    { id: contractOf(scene).id, wanted: placesOf(shards) },
    ...(page === undefined ? [] : [{ id: page.id, wanted: 1 }]),
  ];
  for (const { id, wanted } of contracts) {
    // First the log: what the bot says afterwards is of that placement, or of a former one, whose machines are silent.
    const items = await placementOf(town, id);
    if (items.length !== wanted || items.some(({ node }) => lost.has(node))) return false;
    const standing = await standingOf(scene, id);
    if (standing?.phase !== 'running' || standing.silent.length > 0) return false;
  }
  return true;
}

/** Undefined while the bot of the buyer does not answer. */
async function standingOf(
  { town: { buyer, signal } }: ArchiveScene,
  contract: ContractId,
): Promise<Standing | undefined> {
  if (!(await buyer.answers(signal))) return undefined;
  return buyer.call<Standing>('contracts.status', { contract }, signal);
}

async function until(
  scene: ArchiveScene,
  what: string,
  isSo: () => Promise<boolean>,
): Promise<void> {
  try {
    await scene.town.until(what, isSo, readyTimeoutMs);
  } catch (error) {
    if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
    const standing = await standingOf(scene, contractOf(scene).id);
    throw new Error(`${error.message}: ${JSON.stringify(standing)}`, { cause: error });
  }
}
