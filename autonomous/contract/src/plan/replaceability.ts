import type { ContractRole, FarmId, NodeId } from '@commongrid/model';
import type { Directory } from '../directory/directory.ts';
import { nodeResources } from '../directory/directory.ts';
import type { PlannedReplica } from './contract-problem.ts';
import { planReplacement } from './plan-replacement.ts';
import type { ReplacementInput } from './plan-replacement.ts';
import { slotKey, unitsOf } from './units.ts';

/** Nodes of a plan whose loss is tried; of a larger one as many of the first. */
const triedNodesMax = 64;
/** Farms likewise: with each all of its nodes go. */
const triedFarmsMax = 16;

/** Whether replicas of a role find another place when a node or a farm is lost, with what is free now. */
export interface RoleReplacement {
  readonly role: string;
  /** Its data are on one node alone, and wait for it: nothing replaces them. */
  readonly isTied: boolean;
  readonly nodes: TriedLosses<NodeId>;
  readonly farms: TriedLosses<FarmId>;
}

export interface TriedLosses<Id> {
  /** So many of those of the role were taken away, one at a time. */
  readonly triedCount: number;
  /** The ones after whose loss replicas wait for room. */
  readonly stuck: readonly Id[];
}

/**
 * Takes away one node of a plan after the other, and one farm after the other, and plans what ran there
 * beside the rest: within spread, budget and `mayMoveTo`, on what nodes have free now less what the plan
 * takes.
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
  const { nodes: listed } = input.directory;
  /** Roles of which something waits once these nodes are gone. */
  const waitingWithout = (gone: ReadonlySet<NodeId>): ReadonlySet<string> => {
    const kept = items.filter(({ node }) => !gone.has(node));
    const lost = items.filter(({ node }) => gone.has(node)).map(slotKey);
    const missing = new Set(lost.filter((slot) => movable.has(slot)));
    if (missing.size === 0) return new Set();
    const found = planReplacement({
      ...{ ...input, kept, missing, directory: without(input.directory, roles, kept) },
      wishes: { ...wishes, except: new Set([...(wishes.except ?? []), ...gone]) },
    });
    return new Set(
      found.is === 'found' ? [] : [...missing].map((slot) => slot.split('/')[0] ?? ''),
    );
  };
  const nodes = [...new Set(items.map(({ node }) => node))].slice(0, triedNodesMax);
  const farms = [...new Set(items.map(({ farm }) => farm))].slice(0, triedFarmsMax);
  const afterNode = new Map(nodes.map((node) => [node, waitingWithout(new Set([node]))]));
  const afterFarm = new Map(
    farms.map((farm) => {
      const gone = listed.flatMap((node) => (node.farm === farm ? [node.id] : []));
      return [farm, waitingWithout(new Set(gone))];
    }),
  );
  return roles.map(({ name }) => {
    const own = items.filter(({ role }) => role === name);
    return {
      ...{ role: name, isTied: tied.has(name) },
      nodes: lossesOf(name, new Set(own.map(({ node }) => node)), afterNode),
      farms: lossesOf(name, new Set(own.map(({ farm }) => farm)), afterFarm),
    };
  });
}

function lossesOf<Id>(
  role: string,
  own: ReadonlySet<Id>,
  after: ReadonlyMap<Id, ReadonlySet<string>>,
): TriedLosses<Id> {
  const tried = [...after].filter(([place]) => own.has(place));
  const stuck = tried.flatMap(([place, waiting]) => (waiting.has(role) ? [place] : []));
  return { triedCount: tried.length, stuck };
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
