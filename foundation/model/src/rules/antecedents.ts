import type { BotId, NodeId } from '../fields.ts';
import type { RecordOf } from '../record-types.ts';
import { governing, heldKeys } from './concerns.ts';
import type { Change, ConcernsView, ReaderId } from './concerns-view.ts';
import { namesIn } from './names-in.ts';
import { isBuried, isOpenLock } from './readers.ts';
import { Topics } from './topics.ts';
import type { TopicId } from './topics.ts';

/** Earlier records without which a record says little to some of those whom it concerns. */
export interface Antecedents {
  /** Topics whose records they need, sorted. */
  readonly topics: readonly TopicId[];
  /** Who needs them; undefined for all whom the record concerns. */
  readonly readers: ReadonlySet<ReaderId> | undefined;
}

/**
 * What readers come to rely on by a record, and did not before: they must hear what was said of it
 * so far, for `concerns` brings only what is said from now on. Undefined when there is nothing.
 *
 * 1. A node names a farm, or gets a place, slice or lock: it needs the farm, or the contract.
 * 2. A contract begins: all whom it concerns need the bots behind it, and the contract that it
 *    replaces.
 * 3. An account of several bots pays for a lock: its feed needs the lock and the contract.
 * 4. A record names a bot, or a key of one, that its former version did not: whoever relies on what
 *    the record is about relies on that bot. So does whoever relies on a key once a bot lists it.
 *
 * What somebody relied on before and does again is brought again in whole. Where it would take a
 * search to know whether somebody relies on something already, it is brought as well.
 */
export function antecedents(
  view: ConcernsView,
  change: Change & { readonly at: number },
): Antecedents | undefined {
  const begin = Object.hasOwn(beginnings, change.url) ? beginnings[change.url] : undefined;
  if (begin === undefined || change.value === undefined) return undefined;
  const topics = new Topics(view);
  const readers = begin(view, change, topics);
  const sorted = topics.sorted();
  return sorted.length === 0 ? undefined : { topics: sorted, readers };
}

/** Adds what somebody begins to rely on. @returns who does; undefined for all */
type Begin = (
  view: ConcernsView,
  change: Change & { readonly at: number },
  topics: Topics,
) => ReadonlySet<ReaderId> | undefined;

const beginnings: Readonly<Record<string, Begin>> = {
  ...Object.fromEntries(governing.map((url) => [url, nameAnew])),
  'grid.bot.1': listKeys,
  'grid.contract.1': foundContract,
  'grid.escrow.1': pay,
  'grid.farm.1': nameAnew,
  'grid.lease.1': nameAnew,
  'grid.lock.1': keepRoom,
  'grid.node.1': joinFarm,
  'grid.placement.1': place,
  'grid.recovery.1': nameAnew,
  'grid.slice.1': assign,
};

/** Types of the records that can have antecedents. */
export const antecedentUrls: ReadonlySet<string> = new Set(Object.keys(beginnings));

function joinFarm(view: ConcernsView, { obj, value }: Change, topics: Topics) {
  const { id, farm } = value as RecordOf<'grid.node.1'>;
  if (view.current('grid.node.1', obj)?.farm !== farm) topics.addFarm(farm);
  return new Set([id]);
}

function place(view: ConcernsView, { obj, value }: Change, topics: Topics) {
  const { contract, items } = value as RecordOf<'grid.placement.1'>;
  const before = nodesOf(view.current('grid.placement.1', obj));
  const joining = new Set<ReaderId>();
  for (const { node, role, replica } of items) {
    if (before.has(node) || joining.has(node)) continue;
    const slice = view.current('grid.slice.1', `${node}/${contract}/${role}/${replica}`);
    if (slice === undefined || isBuried(view, slice)) joining.add(node);
  }
  if (joining.size > 0) topics.addContract(contract);
  return joining;
}

function assign(view: ConcernsView, { obj, value }: Change, topics: Topics) {
  const { contract, node } = value as RecordOf<'grid.slice.1'>;
  const former = view.current('grid.slice.1', obj);
  const isHost =
    (former !== undefined && !isBuried(view, former)) ||
    nodesOf(view.current('grid.placement.1', contract)).has(node);
  if (!isHost) topics.addContract(contract);
  return new Set([node]);
}

/** The node needs the contract; so does a farmer, and the people of the contract need the farmer. */
function keepRoom(view: ConcernsView, { value, at }: Change & { at: number }, topics: Topics) {
  const lock = value as RecordOf<'grid.lock.1'>;
  let isMet = false;
  for (const id of view.naming('grid.lock.1', lock.contract)) {
    const other = view.current('grid.lock.1', id);
    if (other === undefined || !isOpenLock(view, other, at)) continue;
    const isOfSame =
      other.farmer === lock.farmer && other.buyer === lock.buyer && other.arbiter === lock.arbiter;
    if (isOfSame && other.node === lock.node) return undefined;
    isMet ||= isOfSame;
  }
  topics.addContract(lock.contract);
  topics.addNamed(lock);
  return isMet ? new Set([lock.node]) : undefined;
}

/** Signers of an account that pays need the lock; all do where it had lapsed, and counts again. */
function pay(view: ConcernsView, { value, at }: Change & { at: number }, topics: Topics) {
  const { lock: id, from } = value as RecordOf<'grid.escrow.1'>;
  const lock = view.current('grid.lock.1', id);
  if (lock === undefined) return undefined;
  const isRevived = !isOpenLock(view, lock, at);
  const isShared = from.startsWith('account:');
  if (isShared) topics.addLock(lock);
  if (isRevived) {
    topics.addContract(lock.contract);
    topics.addNamed(lock);
  }
  return isRevived ? undefined : new Set<ReaderId>([from]);
}

function foundContract(view: ConcernsView, { obj, value }: Change, topics: Topics) {
  if (view.current('grid.contract.1', obj) !== undefined) return undefined;
  topics.addContract(obj, value as RecordOf<'grid.contract.1'>);
  return undefined;
}

/** Who is behind a key that others name already is known from now on. */
function listKeys(view: ConcernsView, change: Change, topics: Topics) {
  const { obj, value } = change;
  const before = new Set(heldKeys(view.current('grid.bot.1', obj)));
  for (const key of heldKeys(value)) {
    if (before.has(key)) continue;
    for (const contract of view.naming('grid.contract.1', key)) topics.addContract(contract);
    for (const lease of view.naming('grid.lease.1', key)) {
      topics.addContract(lease.split('/', 1)[0] ?? lease);
    }
    const guarded = [...view.naming('grid.bot.1', key), ...view.naming('grid.recovery.1', key)];
    if (topics.size > 0 || guarded.length > 0) topics.addBot(obj as BotId);
  }
  return nameAnew(view, change, topics);
}

function nameAnew(view: ConcernsView, { url, obj, value }: Change, topics: Topics): undefined {
  const before = new Set(namesIn(view.current(url, obj)).map(({ id }) => id));
  for (const name of namesIn(value)) if (!before.has(name.id)) topics.addName(name);
}

function nodesOf(placement: RecordOf<'grid.placement.1'> | undefined): ReadonlySet<NodeId> {
  if (placement === undefined) return noNodes;
  let nodes = remembered.get(placement);
  if (nodes === undefined) {
    nodes = new Set(placement.items.map(({ node }) => node));
    remembered.set(placement, nodes);
  }
  return nodes;
}

const noNodes: ReadonlySet<NodeId> = new Set();
/** Of a placement with thousands of items each slice asks. */
const remembered = new WeakMap<object, ReadonlySet<NodeId>>();
