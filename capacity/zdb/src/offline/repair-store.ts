import { randomBytes } from 'node:crypto';
import { eraseBefore } from '../engine/upkeep/erasure.ts';
import { isDeletion, keyLengthOf, kindOf, namespaceOf, RecordKind } from '../engine/log/format.ts';
import { type Namespace, newNamespaceSettings } from '../engine/namespace.ts';
import type { IndexEntry } from '../engine/log/segment-index.ts';
import { Store } from '../engine/store.ts';
import { keyText } from './finding.ts';
import type { BadRecord } from './inspect-segment.ts';
import { bringSystemIn, nextNamespaceId, nextNamespaceRecord } from './namespace-numbers.ts';

export interface FinishOptions {
  readonly folder: string;
  readonly isManifestMade: boolean;
  /** What the manifest shall say in the end. */
  readonly compactedThrough: number;
  readonly lostRecords: readonly BadRecord[];
  readonly mayLackSettings: boolean;
}

interface Finished {
  readonly actions: readonly string[];
  readonly lastSequence: number;
}

/** Starts the repaired store, and sets right what only a whole store can tell. */
export async function finishRepair(options: FinishOptions): Promise<Finished> {
  const { folder } = options;
  const actions: string[] = [];
  const store = await Store.open({ folder });
  let erasures: Erasure[];
  try {
    // Records must stay where they are while they are looked up.
    await store.maintenance.close();
    actions.push(...store.recovery.map(({ text }) => text));
    if (options.mayLackSettings) {
      actions.push(...nameUnnamed(store));
      await store.log.flush();
      store.table.compactedThrough = options.compactedThrough;
    }
    for (const lost of options.lostRecords) {
      const action = await settleKey(store, lost);
      if (action !== undefined) actions.push(action);
    }
    await keepNumbers(store);
    erasures = options.isManifestMade ? await dueErasures(store) : [];
    await store.log.flush();
  } finally {
    await store.close();
  }
  if (erasures.length > 0) actions.push(...(await eraseAgain(folder, erasures)));
  return { actions, lastSequence: store.log.lastSequence };
}

/** Gives namespaces whose settings are lost a name, locked and closed, so that their records stay. */
function nameUnnamed(store: Store): string[] {
  const { namespaces } = store;
  const nowMs = store.nowSeconds() * 1000;
  return namespaces
    .all()
    .filter(({ id, settings, index }) => id > 0 && settings.name === '' && index.liveCount > 0)
    .map(({ id, index }) => {
      const name = `recovered-${id}`;
      const password = randomBytes(16).toString('hex');
      store.putSettings({
        ...newNamespaceSettings(id, name, 'user', nowMs),
        ...{ password, isPublic: false, isLocked: true },
        history: { keep: 'all', limit: 0 },
      });
      return (
        `${index.liveCount} keys without settings are in namespace ${name}, which is locked: ` +
        'they may be of a namespace that was removed'
      );
    });
}

/**
 * A lost record must not let an older one of its key come back unnoticed: a lost deletion is written
 * again, a key that lost its newest value is named.
 */
async function settleKey(store: Store, { entry, key }: BadRecord): Promise<string | undefined> {
  const namespace = store.namespaces.byId(namespaceOf(entry.owner));
  if (namespace === undefined || namespace.id === 0) return undefined;
  const found =
    key ?? (await keyOfHash(store, namespace, entry)) ?? (await formerKey(store, entry));
  if (found === undefined) return undefined;
  const state = await store.retrying(() => store.lookup(namespace, found, 0, found.length));
  const { sequence } = store.reader;
  if (state !== 'live' || sequence > entry.sequence) return undefined;
  const what = `${keyText(found)} of ${namespace.settings.name}`;
  if (!isDeletion(entry.owner)) return `${what} has its former value again, record ${sequence}`;
  await store.retrying(() => store.delete(namespace, found, 0, found.length, entry.timeSeconds));
  return `${what} was deleted again`;
}

/** The key of the version before, when it is still there. */
async function formerKey(store: Store, { previous = 0 }: IndexEntry): Promise<Buffer | undefined> {
  return previous === 0 ? undefined : (await store.recordAt(previous))?.key;
}

/** The key that the index has under the hash of a lost record. */
async function keyOfHash(
  store: Store,
  namespace: Namespace,
  { low, high, lengths }: IndexEntry,
): Promise<Buffer | undefined> {
  const { index } = namespace;
  const places: { slot: number; offset: number; lengths: number }[] = [];
  for (let hit = index.first(low, high, keyLengthOf(lengths)); hit; hit = index.next()) {
    places.push({ slot: index.segment, offset: index.offset, lengths: index.lengths });
  }
  for (const { slot, offset, lengths: found } of places) {
    const { key } = await store.history.readAt(store.table.at(slot), offset, found);
    store.hasher.hash(key, 0, key.length);
    if (store.hasher.low === low && store.hasher.high === high) return key;
  }
  return undefined;
}

interface Erasure {
  readonly namespaceId: number;
  readonly key: Buffer;
  readonly sequence: number;
}

/** Without the manifest, files from before an erasure may have been taken for the log again. */
async function dueErasures(store: Store): Promise<Erasure[]> {
  const erased = new Map<string, number>();
  await forEachEntry(store, (entry) => {
    if (kindOf(entry.owner) === RecordKind.erase) erased.set(hashOf(entry), entry.sequence);
  });
  const due = new Set<number>();
  await forEachEntry(store, (entry) => {
    const by = erased.get(hashOf(entry)) ?? 0;
    if (!isDeletion(entry.owner) && entry.sequence < by) due.add(by);
  });
  const erasures: Erasure[] = [];
  for (const sequence of due) {
    const record = await store.recordAt(sequence);
    if (record === undefined) continue;
    const { namespaceId, key } = record;
    erasures.push({ namespaceId, key: Buffer.from(key), sequence });
  }
  return erasures;
}

async function eraseAgain(folder: string, erasures: readonly Erasure[]): Promise<string[]> {
  const store = await Store.open({ folder });
  try {
    const actions: string[] = [];
    for (const { namespaceId, key, sequence } of erasures) {
      const namespace = store.namespaces.byId(namespaceId);
      if (namespace === undefined) continue;
      await eraseBefore(store, namespaceId, key, sequence);
      actions.push(`${keyText(key)} of ${namespace.settings.name} was erased again`);
    }
    return actions;
  } finally {
    await store.close();
  }
}

async function forEachEntry(store: Store, visit: (entry: IndexEntry) => void): Promise<void> {
  for (const segment of [...store.table.segments]) {
    const index = await store.locator.load(segment);
    for (let i = 0; i < index.count; i++) visit(index.entry(i));
  }
}

/** Namespace, length and hash of a key. */
function hashOf({ owner, lengths, low, high }: IndexEntry): string {
  return `${namespaceOf(owner)} ${keyLengthOf(lengths)} ${low} ${high}`;
}

/** Numbers of namespaces whose records are still there must not be given to others. */
async function keepNumbers(store: Store): Promise<void> {
  const used = store.table.segments.flatMap(({ shares }) => [...shares.keys()]);
  const next = Math.max(0, ...used) + 1;
  const { key, value } = nextNamespaceRecord(next);
  await bringSystemIn(store, key);
  if (next > nextNamespaceId(store)) store.putSystem(key, value);
}
