import { isDeletion, namespaceOf, readUint53, recordBytes } from './log/format.ts';
import type { LogRecord } from './log/frame-reader.ts';
import { type Namespace, SYSTEM_NAMESPACE } from './namespace.ts';
import { decodeSettings, nameFromKey } from './namespaces.ts';
import type { Store } from './store.ts';

/**
 * Takes over records of another store of the same log: same sequences, same content. They become one
 * frame, so all of them are there after a crash or none is. Settings take effect at once; quotas stop
 * nothing here. Commit them with `store.log.turn()`.
 */
export async function applyRecords(store: Store, records: readonly LogRecord[]): Promise<void> {
  const [first] = records;
  if (first === undefined) return;
  if (first.sequence <= store.log.lastSequence) throw new Error('records come out of order');
  let bytes = 0;
  for (const { keyLength, valueLength } of records) bytes += recordBytes(keyLength, valueLength);
  store.log.skipTo(first.sequence - 1);
  await store.log.together(bytes, records.length, async () => {
    for (const record of records) {
      // Waiting costs more than most records: only where one must be read first.
      if (tryApply(store, record) === 'fault') await store.retrying(() => tryApply(store, record));
    }
  });
  const isWhole = store.log.lastSequence >= store.table.compactedThrough;
  if (isWhole) store.namespaces.removeUnnamed();
}

function tryApply(store: Store, record: LogRecord): 'applied' | 'fault' {
  const namespace = store.namespaces.unnamed(namespaceOf(record.owner));
  const found = store.findToReplace(namespace, record.bytes, record.keyStart, record.keyLength);
  if (found === 'fault') return 'fault';
  store.writeAs(namespace, found, record);
  if (namespace.id === SYSTEM_NAMESPACE) applySettings(store, record);
  else if (record.keyLength === 8) noteId(store, namespace, record);
  return 'applied';
}

function applySettings(store: Store, record: LogRecord): void {
  const { bytes, keyStart, keyLength, valueLength } = record;
  const keyEnd = keyStart + keyLength;
  const name = nameFromKey(bytes.toString('utf8', keyStart, keyEnd));
  if (name === undefined) return;
  if (isDeletion(record.owner)) {
    const known = store.namespaces.get(name);
    if (known !== undefined) store.namespaces.remove(known);
  } else {
    store.namespaces.put(decodeSettings(bytes.subarray(keyEnd, keyEnd + valueLength)));
  }
}

/** Ids that the master gave out are not given out again by a replica that takes over. */
function noteId(store: Store, namespace: Namespace, { bytes, keyStart }: LogRecord): void {
  const { name, mode } = namespace.settings;
  if (mode !== 'seq' && name !== '') return;
  const next = readUint53(bytes, keyStart) + 1;
  if (next <= namespace.nextId || !Number.isSafeInteger(next)) return;
  namespace.nextId = next;
  const { nextIds } = store.table;
  nextIds.set(namespace.id, Math.max(next, nextIds.get(namespace.id) ?? 0));
}
