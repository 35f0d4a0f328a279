import type { ContractRole, NodeId } from '@commongrid/model';
import type { Directory } from '../directory/directory.ts';
import { nodeResources } from '../directory/directory.ts';
import type { PlannedReplica } from './contract-problem.ts';
import { planReplacement } from './plan-replacement.ts';
import type { ReplacementInput } from './plan-replacement.ts';
import { slotKey, unitsOf } from './units.ts';

/** Nodes of a plan whose loss is tried; of a larger one as many of the first. */
const triedNodesMax = 64;

/** Whether replicas of a role find another place when a node is lost, with what is free now. */
export interface RoleReplacement {
  readonly role: string;
  /** Its data are on one node alone, and wait for it: nothing replaces them. */
  readonly isTied: boolean;
  /** So many of its nodes were tried, one at a time. */
  readonly triedCount: number;
  /** Of those, the ones after whose loss replicas wait for room. */
  readonly stuck: readonly NodeId[];
}

/**
 * Takes away one node of a plan after the other, and plans what ran there beside the rest: within spread,
 * budget and `mayMoveTo`, on what nodes have free now less what the plan takes.
 */
export function replacementsOf(
  input: Omit<ReplacementInput, 'kept' | 'missing'>,
  items: readonly PlannedReplica[],
): readonly RoleReplacement[] {
  const { roles, wishes = {} } = input;
  const isLocal = new Map(roles.map(({ name, data }) => [name, data === 'local']));
  // What goes together with local data stays with it.
  const free = unitsOf(roles).filter(({ roles: own }) =>
    own.every((one) => !isLocal.get(one.name)),
  );
  const movable = new Set(free.flatMap(({ slots }) => slots));
  const tied = new Set(items.flatMap((item) => (movable.has(slotKey(item)) ? [] : [item.role])));
  const nodes = [...new Set(items.map(({ node }) => node))].slice(0, triedNodesMax);
  const stuck = new Map<NodeId, ReadonlySet<string>>();
  for (const node of nodes) {
    const kept = items.filter((item) => item.node !== node);
    const missing = new Set(
      items.flatMap((item) => {
        const slot = slotKey(item);
        return item.node === node && movable.has(slot) ? [slot] : [];
      }),
    );
    if (missing.size === 0) continue;
    const found = planReplacement({
      ...{ ...input, kept, missing, directory: without(input.directory, roles, kept) },
      wishes: { ...wishes, except: new Set([...(wishes.except ?? []), node]) },
    });
    const waiting =
      found.is === 'found' ? [] : [...missing].map((slot) => slot.split('/')[0] ?? '');
    stuck.set(node, new Set(waiting));
  }
  return roles.map(({ name }) => {
    const own = nodes.filter((node) => {
      return items.some((item) => item.node === node && item.role === name);
    });
    return {
      ...{ role: name, isTied: tied.has(name), triedCount: own.length },
      stuck: own.filter((node) => stuck.get(node)?.has(name) === true),
    };
  });
}

/** The directory as it is once these replicas run: they take room. */
function without(
  { nodes, ...rest }: Directory,
  roles: readonly ContractRole[],
  items: readonly PlannedReplica[],
): Directory {
  const needs = new Map(roles.map(({ name, resources }) => [name, resources]));
  const byNode = Map.groupBy(items, ({ node }) => node);
  return {
    ...rest,
    nodes: nodes.map((node) => {
      const own = (byNode.get(node.id) ?? []).flatMap(({ role }) => needs.get(role) ?? []);
      if (own.length === 0) return node;
      const free = { ...node.free };
      for (const name of nodeResources) {
        const used = own.reduce((sum, resources) => sum + resources[name], 0);
        free[name] = Math.max(0, free[name] - used);
      }
      return { ...node, free };
    }),
  };
}
