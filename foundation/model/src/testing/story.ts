import type { BotId, ContractId, KeyText, LeaseName, LockId, NodeId } from '../fields.ts';
import type { RecordOf } from '../record-types.ts';
import type { Bot, BotKey } from '../records/bot.ts';
import { contractIdOf } from '../records/contract.ts';
import type { BotState } from '../rules/identity-state.ts';
import { botIdOf, keyProof, keysOf, nodeIdOf } from '../rules/keys.ts';
import { examples } from './examples.ts';
import { fakeId } from './ids.ts';
import { fakeProof } from './memory-grid.ts';
import type { MemoryGrid, Told } from './memory-grid.ts';

/** What a story is told to. */
type Ground = Pick<MemoryGrid, 'log' | 'put'>;

/** A bot of a story: its root, one device, and a controller key. */
export interface Actor {
  readonly id: BotId;
  readonly root: KeyText;
  readonly device: KeyText;
  readonly controller: KeyText;
}

/** The keys of actor `n`; two actors share none. */
export function actor(n: number): Actor {
  const root = fakeId.key(n * 10);
  const [device, controller] = [fakeId.key(n * 10 + 1), fakeId.key(n * 10 + 2)];
  return { id: botIdOf(root), root, device, controller };
}

/** An entry of a key list with its proof. */
export function keyEntry(
  grid: Ground,
  holder: BotId,
  key: KeyText,
  role: BotKey['role'],
  ended?: BotKey['ended'],
): BotKey {
  const proof = proofOf(grid, key, holder);
  return { key, role, proof, ...(ended === undefined ? {} : { ended }) };
}

/** The record of an actor, as it founds itself; `change` lies over it. */
export function botOf(grid: Ground, who: Actor, name: string, change: Partial<Bot> = {}): Bot {
  return {
    id: who.id,
    name,
    root: who.root,
    seal: fakeId.seal(1),
    keys: [
      keyEntry(grid, who.id, who.device, 'device'),
      keyEntry(grid, who.id, who.controller, 'controller'),
    ],
    addresses: [],
    ...change,
  };
}

/** Founds a bot. */
export function found(grid: Ground, n: number, name: string, change?: Partial<Bot>): Actor {
  const who = actor(n);
  grid.put('grid.bot.1', who.root, botOf(grid, who, name, change));
  return who;
}

/** A farm with number `n` of an actor. */
export function settleFarm(grid: Ground, owner: Actor, n: number, name: string): Told {
  const value = { ...examples['grid.farm.1'], id: fakeId.farm(n), owner: owner.id, name };
  return grid.put('grid.farm.1', owner.device, value);
}

/** A node with key `n` that asks for farm `farm` and is adopted by its owner. */
export function installNode(grid: Ground, owner: Actor, farm: number, n: number): NodeId {
  const key = fakeId.key(n);
  const id = nodeIdOf(key);
  const farmId = fakeId.farm(farm);
  grid.put('grid.node.1', key, { ...examples['grid.node.1'], id, farm: farmId });
  grid.put('grid.adoption.1', owner.device, { node: id, farm: farmId, standing: 'active' });
  return id;
}

/** A contract of `owner`, signed for by `signers`, run by the owner's controller key. */
export function draft(
  grid: MemoryGrid,
  owner: Actor,
  signers: readonly Actor[],
  change: Partial<RecordOf<'grid.contract.1'>> = {},
): ContractId {
  const lines = [{ role: 'owner', signers: signers.map(({ id }) => id), min: 1 }];
  const header = {
    ...examples['grid.contract.1'],
    owner: owner.id,
    controllers: [owner.controller],
    secrets: [],
    policy: { provision: lines, upgrade: lines, change: lines, remove: lines },
    ...change,
  };
  grid.put('grid.contract.1', owner.device, header);
  return contractIdOf(header);
}

/** A lock of a farmer on a node; it lapses ten minutes from now unless it is funded. */
export function keep(
  grid: MemoryGrid,
  farmer: Actor,
  buyer: Actor,
  contract: ContractId,
  node: NodeId,
  n: number,
): LockId {
  const { arbiter: _arbiter, ...example } = examples['grid.lock.1'];
  const id = fakeId.lock(n);
  grid.put('grid.lock.1', farmer.device, {
    ...example,
    id,
    contract,
    node,
    farmer: farmer.id,
    buyer: buyer.id,
    expiresMs: grid.at + 600_000,
  });
  return id;
}

/** Places the replicas of a contract on these nodes, slices first. */
export function place(
  grid: MemoryGrid,
  controller: KeyText,
  contract: ContractId,
  revision: number,
  nodes: readonly NodeId[],
): Told {
  for (const [replica, node] of nodes.entries()) {
    const workload = fakeId.workload(contract, 'shard', replica);
    grid.put('grid.slice.1', controller, {
      ...examples['grid.slice.1'],
      node,
      contract,
      workload,
      revision,
    });
  }
  return grid.put('grid.placement.1', controller, {
    contract,
    revision,
    lease: contract as string as LeaseName,
    fence: 1,
    items: nodes.map((node, replica) => ({
      role: 'shard',
      replica,
      node,
      slice: fakeId.hash(revision),
    })),
    reason: revision === 1 ? 'initial' : 'heal',
    expMs: grid.at + 600_000,
  });
}

/** What the rules remember of a bot that is there. */
export function stateOf(grid: MemoryGrid, id: BotId): BotState {
  const state = grid.bot(id);
  if (state === undefined) throw new Error(`${id} is not there`);
  return state;
}

/** The root with which a bot may sign now. */
export function rootOf(grid: MemoryGrid, { id }: Actor): KeyText | undefined {
  return keysOf(grid, stateOf(grid, id), grid.moment).root;
}

/** Proof that a key belongs to a bot. */
export function proofOf(grid: Ground, key: KeyText, holder: BotId): string {
  return fakeProof(key, keyProof(grid.log, holder));
}
