import type { Bot } from '../records/bot.ts';
import type { RecordUrl } from '../record-types.ts';
import type { Change, ConcerningRecord, ConcernsView, ReaderId } from './concerns-view.ts';
import { namesIn } from './names-in.ts';
import { Readers } from './readers.ts';

/**
 * Who must hear of a record, because of what it names, what it supersedes, or what others rely on
 * that it touches. Pure: the same view and record give the same readers everywhere, sorted and once
 * each. The table in the README says it type by type.
 *
 * 1. Author, and whoever is named by the new payload or by the one that it takes the place of. Who is
 *    named by way of a key, farm, lock or contract counts too.
 * 2. By type, whoever relies on what changes: see `reach`.
 */
export function concerns(view: ConcernsView, record: ConcerningRecord): readonly ReaderId[] {
  if (!feedNamespaces.has(record.ns) || unfed.has(record.url)) return [];
  const readers = new Readers(view, record.at);
  readers.addKey(record.author);
  addChange(view, readers, record);
  return readers.sorted();
}

/** Namespaces whose records reach feeds. What users keep elsewhere concerns nobody but them. */
export const feedNamespaces: ReadonlySet<string> = new Set(['grid', 'log', 'wallet']);

/** Time goes with each record of a feed; a reader need not have every tick. */
const unfed: ReadonlySet<string> = new Set(['bcdb.tick.1']);

/** What everybody relies on. */
const common: ReadonlySet<string> = new Set([
  'bcdb.acl.1',
  'bcdb.circle.1',
  'bcdb.genesis.1',
  'bcdb.handover.1',
  'bcdb.namespace.1',
  'bcdb.policy.1',
  'bcdb.schema.1',
  'bcdb.validator.1',
  'grid.software.1',
]);

/**
 * How far a change of each type reaches beyond those that it names.
 *
 * - `named`: no further.
 * - `bot`: whoever relies on the bot or on one of its keys.
 * - `farm`: the nodes of the farm.
 * - `node`: the people of the contracts that have a part on the node.
 * - `contract`: everybody of each contract that is named, nodes included.
 * - `workload`: every node that has, or had, a slice of the workload.
 * - `lock`: both sides of the lock and its node.
 */
type Reach = 'named' | 'bot' | 'farm' | 'node' | 'contract' | 'workload' | 'lock';

const reach: { readonly [Url in RecordUrl]?: Reach } = {
  'grid.account.1': 'named',
  'grid.adoption.1': 'node',
  'grid.allowance.1': 'contract',
  'grid.approval.1': 'contract',
  'grid.bot.1': 'bot',
  'grid.consent.1': 'named',
  'grid.contract.1': 'contract',
  'grid.currency.1': 'named',
  'grid.escrow.1': 'lock',
  'grid.event.1': 'named',
  'grid.farm.1': 'farm',
  'grid.grant.1': 'named',
  'grid.lease.1': 'contract',
  'grid.lock.1': 'lock',
  'grid.node.1': 'node',
  'grid.objection.1': 'lock',
  'grid.placement.1': 'contract',
  'grid.presence.1': 'node',
  'grid.receipt.1': 'named',
  'grid.recovery.1': 'bot',
  'grid.refund.1': 'lock',
  'grid.release.1': 'lock',
  'grid.session.1': 'node',
  'grid.settlement.1': 'named',
  'grid.slice.1': 'named',
  'grid.tombstone.1': 'workload',
  'grid.transfer.1': 'named',
};

function addChange(view: ConcernsView, readers: Readers, change: Change): void {
  const { url, obj, value } = change;
  if (!readers.enters(`${url} ${obj}`)) return;
  if (url === 'bcdb.proposal.1') return addProposed(view, readers, changeIn(value));
  if (url === 'bcdb.approval.1') return addProposed(view, readers, proposedBy(view, value));
  const scope = scopeOf(change);
  if (scope !== undefined) {
    for (const payload of [view.current(url, obj), value]) addReach(readers, 'named', payload);
    return addChange(view, readers, { ...scope, value: undefined });
  }
  if (common.has(url)) return readers.addEveryone();
  const distance = reachOf(url);
  for (const payload of [obj, view.current(url, obj), value]) addReach(readers, distance, payload);
  if (distance === 'bot') addBot(view, readers, change);
}

/** Types that a later release adds reach as far as a contract does, until their rule is known. */
function reachOf(url: string): Reach {
  return Object.hasOwn(reach, url) ? (reach[url as RecordUrl] ?? 'contract') : 'contract';
}

function addReach(readers: Readers, distance: Reach, payload: unknown): void {
  for (const { kind, id } of namesIn(payload)) {
    readers.addNamed(kind, id);
    if (distance === 'contract' && kind === 'contract') readers.addHosts(id);
    if (distance === 'farm' && kind === 'farm') readers.addNodesOf(id);
    if (distance === 'node' && kind === 'node') readers.addContractsOn(id);
    if (distance === 'lock' && kind === 'lock') readers.addLockNode(id);
    if (distance === 'workload' && kind === 'contract') readers.addSliced(id, payload);
  }
}

/**
 * A bot's keys and its say change: whoever relies on it must know, and whoever relies on a bot whose
 * root its keys may replace. No further: such a replacement changes a root and no other key.
 * Only what the bot itself holds counts, so that listing the keys of strangers reaches nobody.
 */
function addBot(view: ConcernsView, readers: Readers, { obj, value }: Change): void {
  const bot = obj.split('/', 1)[0] ?? obj;
  const own = new Set([bot, ...heldKeys(view.current('grid.bot.1', bot)), ...heldKeys(value)]);
  const guarded = new Set([...own].flatMap((key) => [...readers.guardedBy(key)]));
  for (const id of guarded) {
    own.add(id);
    for (const key of heldKeys(view.current('grid.bot.1', id))) own.add(key);
  }
  for (const id of own) {
    readers.addReliant(id);
    for (const url of governing) {
      for (const scope of view.naming(url, id)) {
        addChange(view, readers, { url, obj: scope, value: undefined });
      }
    }
  }
}

/** Types that say who decides over others. */
export const governing = [
  'bcdb.acl.1',
  'bcdb.circle.1',
  'bcdb.genesis.1',
  'bcdb.namespace.1',
  'bcdb.policy.1',
] as const;

/** Root and listed keys of the payload of a bot. */
export function heldKeys(value: unknown): readonly string[] {
  if (!recordIsBot(value)) return [];
  return [value.root, ...value.keys.map(({ key }) => key)];
}

function recordIsBot(value: unknown): value is Bot {
  return member(value, 'root') !== undefined && Array.isArray(member(value, 'keys'));
}

/** A proposal or an approval concerns whoever the change would: it may take effect by it. */
function addProposed(view: ConcernsView, readers: Readers, change: Change | undefined): void {
  if (change !== undefined) addChange(view, readers, change);
}

function changeIn(proposal: unknown): Change | undefined {
  const [url, obj] = [member(proposal, 'url'), member(proposal, 'obj')];
  if (typeof url !== 'string' || typeof obj !== 'string') return undefined;
  return { url, obj, value: member(proposal, 'value') };
}

function proposedBy(view: ConcernsView, approval: unknown): Change | undefined {
  const version = member(approval, 'proposal');
  return typeof version === 'string' ? view.proposal(version) : undefined;
}

/** The object that an access list or a policy is about, where it is about one: `object/URL/OBJ`. */
export function scopeOf({
  url,
  obj,
}: Pick<Change, 'url' | 'obj'>): { url: string; obj: string } | undefined {
  if (url !== 'bcdb.acl.1' && url !== 'bcdb.policy.1') return undefined;
  const { target, id } = /^object\/(?<target>[^/]+)\/(?<id>.+)$/.exec(obj)?.groups ?? {};
  if (target === undefined || id === undefined || target.startsWith('bcdb.')) return undefined;
  return { url: target, obj: id };
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
}
