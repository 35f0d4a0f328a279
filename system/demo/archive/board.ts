import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { ContractDefinition, ContractStatus } from '@commongrid/contract';
import type { ContractId } from '@commongrid/model';

import type { DemoTown } from '../demo-town.ts';

/** A contract that was built. */
export interface BuiltContract {
  readonly id: ContractId;
  /** With its roles, to be proposed. */
  readonly file: string;
}

/** Builds a contract of the buyer. @param file name of its files, without what follows the dot */
export async function build(
  town: DemoTown,
  file: string,
  definition: ContractDefinition,
): Promise<BuiltContract> {
  const source = join(town.grid.home, `${file}.json`);
  const built = join(town.grid.home, `${file}.built.json`);
  await writeFile(source, JSON.stringify(definition));
  const words = ['contract', 'build', source, '--output', built];
  const { contract } = await town.as<{ readonly contract: ContractId }>('buyer', ...words);
  return { id: contract, file: built };
}

/** Signs as a bot. @returns how far the contract is then, as that bot sees it */
export async function sign(town: DemoTown, bot: string, id: ContractId): Promise<ContractStatus> {
  await town.as(bot, 'contract', 'sign', id, '--yes');
  return statusOf(town, id, bot);
}

/** How far a contract is, as a bot sees it. */
export function statusOf(town: DemoTown, id: ContractId, bot = 'buyer'): Promise<ContractStatus> {
  return town.as<ContractStatus>(bot, 'contract', 'status', id);
}

/** Proposes a contract, which its owner and two of the board sign. */
export async function agree(town: DemoTown, { id, file }: BuiltContract): Promise<void> {
  await town.as('buyer', 'contract', 'propose', file);
  for (const bot of ['buyer', 'expert', 'business']) {
    await town.as(bot, 'contract', 'sign', id, '--yes');
  }
}

/** For the time in which a word that nobody agreed to would count, ms. */
const placementTtlMs = 600_000;

/** The buyer takes the lease itself, and places without an agreement. @returns the code of the refusal */
export async function placeByForce(town: DemoTown, id: ContractId, role: string): Promise<string> {
  const lease = { name: id, holder: town.key, fence: 1, ttlMs: 3_000 };
  await town.as('buyer', 'bcdb', 'put', 'grid', 'grid.lease.1', id, JSON.stringify(lease));
  const [node] = town.nodes;
  const item = { role, replica: 0, node: node?.id, slice: 'A'.repeat(43) };
  const placement = {
    ...{ contract: id, revision: 1, lease: id, fence: 1, items: [item], reason: 'initial' },
    expMs: Date.now() + placementTtlMs,
  };
  const value = JSON.stringify(placement);
  return town.refused('buyer', 'bcdb', 'put', 'grid', 'grid.placement.1', id, value);
}
