import type { ControlledContract } from '@commongrid/contract';
import { balanceOf, heldBy, successorOf, workloadIdOf } from '@commongrid/model';
import type { ContractId, NodeId } from '@commongrid/model';
import { currency } from './town.ts';
import type { Town } from './town.ts';
import { BrokenPromise } from './witness.ts';

/**
 * What must hold once nothing went wrong for a while: everything that is placed runs, on machines that
 * are there, and nothing else does; or its controller says why not. No money is lost.
 * @throws BrokenPromise
 */
export function checkAtRest(
  town: Town,
  statuses: ReadonlyMap<ContractId, readonly ControlledContract[]>,
): void {
  for (const [id, told] of statuses) checkContract(town, id, told);
  for (const node of town.nodes) checkNode(town, node.id);
  checkMoney(town);
}

/** Words of a controller that only say that another one acts. */
const notItsOwn: ReadonlySet<string> = new Set(['HEAL_LEASE_TAKEN']);

/** Why something may wait for good: moves of the hour are used up; where a node is lost, more. */
const soundReasonsOfWhole: ReadonlySet<string> = new Set(['HEAL_RATE']);
const soundReasons: ReadonlySet<string> = new Set([
  ...['HEAL_RATE', 'HEAL_LOCAL_DATA', 'HEAL_NOTHING_FITS', 'HEAL_BUDGET'],
]);

/** Why a contract waits, by code; what two controllers say of it together. */
export function reasonsOf(told: readonly ControlledContract[]): readonly string[] {
  const codes = told.flatMap(({ blocked }) => blocked.map(({ code }) => code));
  return codes.filter((code) => !notItsOwn.has(code));
}

function checkContract(town: Town, id: ContractId, told: readonly ControlledContract[]): void {
  const reasons = reasonsOf(told);
  const items = town.sequencer.fold.current('grid.placement.1', id)?.items ?? [];
  const { fold } = town.sequencer;
  // What ends, or was taken the place of, has nothing left that runs but what has data there.
  const isOver = fold.contract(id)?.agreed.remove !== undefined;
  if (isOver && items.length > 0) throw new BrokenPromise(`${id} was removed, and is still placed`);
  if (isOver) return;
  const isReplaced = successorOf(fold, id) !== undefined;
  const isPlaced = items.length > 0 || isReplaced;
  const stuck = items.filter(({ role, replica, node }) => {
    return town.node(node)?.host.isRunning(workloadIdOf(id, role, replica)) !== true;
  });
  if (!isReplaced && reasons.includes('HEAL_HANDOVER')) {
    throw new BrokenPromise(`a single writer of ${id} does not get to where it is to go`);
  }
  if (isPlaced && stuck.length === 0) return;
  const isLost = town.nodes.some(({ machine }) => !machine.isOn);
  const sound = isLost ? soundReasons : soundReasonsOfWhole;
  if (reasons.length > 0 && reasons.every((code) => sound.has(code))) return;
  const where = stuck.map(({ role, replica, node }) => {
    return `${role}/${replica} on ${town.node(node)?.machine.name}`;
  });
  const phases = told.map(({ status }) => status?.phase).join(', ');
  const { name = id } = town.sequencer.fold.current('grid.contract.1', id) ?? {};
  const why = reasons.length === 0 ? 'no word why' : reasons.join(', ');
  const what = where.join(', ') || 'never placed';
  throw new BrokenPromise(`${name} is stuck (${phases}; ${why}): ${what}`);
}

/** A node runs what the log has it run, and nothing else. */
function checkNode(town: Town, id: NodeId): void {
  const node = town.node(id);
  if (node === undefined || !node.machine.isOn) return;
  const placed = new Set<string>();
  for (const { contract, items } of town.sequencer.fold.objects('grid.placement.1')) {
    for (const { role, replica, node: place } of items) {
      if (place === id) placed.add(workloadIdOf(contract, role, replica));
    }
  }
  const strange = [...node.host.running].filter((workload) => !placed.has(workload));
  if (strange.length > 0) {
    throw new BrokenPromise(`${node.machine.name} still runs ${strange.join(', ')}`);
  }
}

function checkMoney({ sequencer: { fold } }: Town): void {
  const sums = new Map<string, bigint>();
  const accounts = new Map<string, bigint>();
  for (const { postings } of fold.entries()) {
    for (const { account, currency: name, amount } of postings) {
      sums.set(name, (sums.get(name) ?? 0n) + amount);
      accounts.set(account, (accounts.get(account) ?? 0n) + amount);
    }
  }
  if ([...sums.values()].some((sum) => sum !== 0n))
    throw new BrokenPromise('money was made or lost');
  for (const escrow of fold.moneyOf('escrow')) {
    const { funded, released, refunded } = escrow;
    const held = accounts.get(escrow.id) ?? 0n;
    const rest = BigInt(funded) - BigInt(released) - BigInt(refunded);
    const isWhole = held === rest && held === heldBy(escrow) && held >= 0n;
    if (!isWhole || balanceOf(fold, escrow.id, currency) !== held) {
      throw new BrokenPromise(`${escrow.id} holds ${held}, of ${rest} that are left`);
    }
  }
}
