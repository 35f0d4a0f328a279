import type { BcdbClient } from '@commongrid/bcdb/client';
import { workloadIdOf } from '@commongrid/model';
import type {
  BotId,
  Farm,
  FarmId,
  Node,
  NodeId,
  Placement,
  Presence,
  RecordOf,
  RecordUrl,
  Slice,
  Tombstone,
  WorkloadId,
} from '@commongrid/model';
import { freeOf } from './directory.ts';
import type { Directory, DirectoryFarm, DirectoryNode, Use } from './directory.ts';

/** Objects of a page, and nodes of a list of presence: as many as BCDB gives. */
const pageObjects = 1_000;

/** What the search asks of a database. */
export type DirectorySource = Pick<BcdbClient, 'find' | 'read'>;

/**
 * Reads what there is to place on. It is the word of the server; placements and nodes are held to the
 * rules whatever it says. That two machines have the key of one node is not told here.
 * @param at log time, ms since 1970
 */
export async function readDirectory(source: DirectorySource, at: number): Promise<Directory> {
  const [nodes, farms, adoptions, bots, uses, summaries, presence] = await Promise.all([
    allOf(source, 'grid.node.1'),
    allOf(source, 'grid.farm.1'),
    allOf(source, 'grid.adoption.1'),
    allOf(source, 'grid.bot.1'),
    readUses(source, at),
    allOf(source, 'grid.presence.1'),
    readPresence(source),
  ]);
  const adopted = new Map(adoptions.map((one) => [one.node, one]));
  const uptimes = new Map(summaries.map((one) => [one.node, uptimeOf(one)]));
  const usesOf = Map.groupBy(uses, ({ node }) => node);
  const listed = nodes.map((node): DirectoryNode => {
    const { id, name, farm, addresses, features, capacity, isDraining } = node;
    const adoption = adopted.get(id);
    return {
      ...{ id, name, farm, addresses, capacity, features: new Set(features) },
      isInService: adoption?.standing === 'active' && adoption.farm === farm && isDraining !== true,
      ...{ presence: presence(id), uptime: uptimes.get(id) },
      free: freeOf(capacity, usesOf.get(id) ?? []),
    };
  });
  return {
    nodes: listed.toSorted(byLiking),
    farms: farmsOf(farms, nodes, uses),
    bots: new Map<BotId, string>(bots.map(({ id, name }) => [id, name])),
  };
}

/** Better ones first: more of the time there, then more memory to spare; the id makes it one order. */
function byLiking(a: DirectoryNode, b: DirectoryNode): number {
  const better = (b.uptime ?? 0) - (a.uptime ?? 0) || b.free.memoryBytes - a.free.memoryBytes;
  return better || (a.id < b.id ? -1 : 1);
}

function farmsOf(
  farms: readonly Farm[],
  nodes: readonly Node[],
  uses: readonly Use[],
): ReadonlyMap<FarmId, DirectoryFarm> {
  const farmOf = new Map(nodes.map(({ id, farm }) => [id, farm]));
  const used = new Map<FarmId, number>();
  for (const { node, ipv4 } of uses) {
    const farm = farmOf.get(node);
    if (farm !== undefined) used.set(farm, (used.get(farm) ?? 0) + ipv4);
  }
  const listed = farms.map((farm) => {
    const { id, name, owner, prices, location, publicIps } = farm;
    const addresses = publicIps.filter((ip) => !ip.includes(':')).length;
    const freeIpv4 = Math.max(0, addresses - (used.get(id) ?? 0));
    const { country, city } = location;
    return [id, { id, name, owner, prices, country, city, freeIpv4 }] as const;
  });
  return new Map(listed);
}

/** What is in use of nodes: by what is placed, by open locks, and by data that nobody gave up. */
async function readUses(source: DirectorySource, at: number): Promise<readonly Use[]> {
  const [placements, slices, locks, tombstones, escrows, refunds] = await Promise.all([
    objectsOf(source, 'grid.placement.1'),
    allOf(source, 'grid.slice.1'),
    allOf(source, 'grid.lock.1'),
    allOf(source, 'grid.tombstone.1'),
    objectsOf(source, 'grid.escrow.1', 'wallet'),
    allOf(source, 'grid.refund.1', 'wallet'),
  ]);
  const refunded = new Set(refunds.map(({ lock }) => lock));
  const placed = placesOf(placements.map(({ value }) => value));
  const newest = new Map(placements.map(({ seq, value }) => [value.contract, seq]));
  const funded = new Set<string>();
  const ended = new Set<string>();
  for (const { seq, value } of escrows) {
    const { lock, contract } = value;
    // A placement that came after the money and does not name the place has ended it.
    const isOver = refunded.has(lock) || (newest.get(contract) ?? -1) > seq;
    (isOver ? ended : funded).add(lock);
  }
  const buried = new Map(tombstones.map((one) => [graveKey(one), one.revision]));
  return [
    ...slices.flatMap((slice) => useOf(slice, placed, buried)),
    ...locks
      .filter(({ id, expiresMs }) => funded.has(id) || (at < expiresMs && !ended.has(id)))
      .flatMap((lock) => keptBy(lock, placed)),
  ];
}

/** Node and workload of everything that is placed. */
function placesOf(placements: readonly Placement[]): ReadonlySet<string> {
  const all = placements.flatMap(({ contract, items }) =>
    items.map(({ node, role, replica }) => placeKey(node, workloadIdOf(contract, role, replica))),
  );
  return new Set(all);
}

function useOf(
  { node, workload, revision, opening }: Slice,
  placed: ReadonlySet<string>,
  buried: ReadonlyMap<string, number>,
): readonly Use[] {
  const { resources, workload: what } = opening.role;
  const graves = [graveKey({ workload }), graveKey({ workload, node })];
  // What nobody pays for is given up where it is placed, too.
  if (graves.some((grave) => (buried.get(grave) ?? 0) >= revision)) return [];
  if (placed.has(placeKey(node, workload))) return [{ node, ...resources }];
  // A node deletes nothing without a tombstone: the data of what ran there are still there.
  if (what.kind === 'container') return [];
  return [{ node, ...resources, cpuMilli: 0, memoryBytes: 0, ipv4: 0 }];
}

/** Where a tombstone counts: on the node that it names, or on all of them. */
function graveKey({ workload, node }: Pick<Tombstone, 'workload' | 'node'>): string {
  return node === undefined ? workload : placeKey(node, workload);
}

/** What an open lock keeps: nothing once what it is for is placed, which counts itself. */
function keptBy(
  { contract, node, slot, resources }: RecordOf<'grid.lock.1'>,
  placed: ReadonlySet<string>,
): readonly Use[] {
  const workload = workloadIdOf(contract, slot.role, slot.replica);
  if (placed.has(placeKey(node, workload))) return [];
  return [{ node, ...resources }];
}

function placeKey(node: NodeId, workload: WorkloadId): string {
  return `${node} ${workload}`;
}

function uptimeOf({ fromMs, toMs, gaps }: Presence): number {
  const away = gaps.reduce((sum, gap) => sum + (gap.toMs - gap.fromMs), 0);
  return toMs > fromMs ? Math.max(0, 1 - away / (toMs - fromMs)) : 1;
}

interface PresenceAnswer {
  readonly counts: { readonly alive: number };
  readonly nodes: readonly { readonly node: NodeId }[];
}

/** Standings of nodes. Of more that live than a list has, those that are on no other list live. */
async function readPresence(
  source: DirectorySource,
): Promise<(node: NodeId) => DirectoryNode['presence']> {
  const list = (standing: string): Promise<PresenceAnswer> =>
    source.read(`/v1/presence?standing=${standing}&limit=${pageObjects}`);
  const [alive, suspect, gone] = await Promise.all([list('alive'), list('suspect'), list('gone')]);
  const standings = new Map<NodeId, DirectoryNode['presence']>([
    ...alive.nodes.map(({ node }) => [node, 'alive'] as const),
    ...suspect.nodes.map(({ node }) => [node, 'suspect'] as const),
    ...gone.nodes.map(({ node }) => [node, 'gone'] as const),
  ]);
  const unlisted = alive.counts.alive > alive.nodes.length ? 'alive' : 'unseen';
  return (node) => standings.get(node) ?? unlisted;
}

async function allOf<Url extends RecordUrl>(
  source: DirectorySource,
  url: Url,
  ns = 'grid',
): Promise<readonly RecordOf<Url>[]> {
  return (await objectsOf(source, url, ns)).map(({ value }) => value);
}

/** Each with the place of its newest version in the log. */
async function objectsOf<Url extends RecordUrl>(
  source: DirectorySource,
  url: Url,
  ns = 'grid',
): Promise<readonly { readonly seq: number; readonly value: RecordOf<Url> }[]> {
  const all: { readonly seq: number; readonly value: RecordOf<Url> }[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await source.find(ns, { url, limit: pageObjects, cursor });
    for (const { seq, value } of page.objects) {
      if (value !== undefined) all.push({ seq, value: value as RecordOf<Url> });
    }
    if (page.cursor === undefined) return all;
    cursor = page.cursor;
  }
}
