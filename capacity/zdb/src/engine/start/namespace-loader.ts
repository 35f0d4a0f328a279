import { keyLengthOf, recordBytes, valueLengthOf } from '../log/format.ts';
import type { KeyIndex } from '../keys/key-index.ts';
import type { Namespace, NamespaceSettings } from '../namespace.ts';
import { decodeSettings, nameFromKey, type Namespaces } from '../namespaces.ts';
import type { RecordReader } from '../reading/record-reader.ts';
import { ENTRY_BYTES } from '../log/segment-index.ts';
import type { SegmentTable } from '../log/segment-table.ts';

interface LoadTarget {
  readonly table: SegmentTable;
  readonly reader: RecordReader;
  readonly namespaces: Namespaces;
}

/**
 * Makes the namespaces of a store from the recovered indexes: their settings are records too.
 * `isSyncing`: the log is a part of its master's, so settings may still come.
 */
export function loadNamespaces(
  target: LoadTarget,
  indexes: ReadonlyMap<number, KeyIndex>,
  isSyncing: boolean,
): void {
  const { namespaces, table } = target;
  namespaces.system.index = indexes.get(namespaces.system.id) ?? namespaces.system.index;
  for (const settings of storedSettings(target)) {
    namespaces.put(settings, indexes.get(settings.id));
  }
  if (isSyncing) for (const [id, index] of indexes) namespaces.unnamed(id, index);
  for (const namespace of namespaces.all()) countRecords(table, namespace);
  for (const [id, next] of table.nextIds) {
    const namespace = namespaces.byId(id);
    if (namespace !== undefined) namespace.nextId = Math.max(namespace.nextId, next);
  }
}

function storedSettings({ table, reader, namespaces }: LoadTarget): NamespaceSettings[] {
  const stored: NamespaceSettings[] = [];
  namespaces.system.index.forEach((slot, offset, lengths, isDeleted) => {
    if (isDeleted) return;
    if (!reader.view(table.at(slot), offset, lengths, true)) {
      throw new Error('settings are too large');
    }
    const { bytes, keyStart } = reader;
    const valueStart = keyStart + keyLengthOf(lengths);
    if (nameFromKey(bytes.toString('utf8', keyStart, valueStart)) === undefined) return;
    stored.push(decodeSettings(bytes.subarray(valueStart, valueStart + valueLengthOf(lengths))));
  });
  return stored;
}

/** Counts what a namespace has, from its index and the shares of the segments. */
function countRecords(table: SegmentTable, namespace: Namespace): void {
  namespace.index.forEach((slot, _offset, lengths, isDeleted) => {
    if (isDeleted) return;
    const bytes = recordBytes(keyLengthOf(lengths), valueLengthOf(lengths));
    const share = table.at(slot).share(namespace.id);
    share.liveRecords++;
    share.liveBytes += bytes;
    namespace.liveBytes += bytes;
    namespace.valueBytes += valueLengthOf(lengths);
  });
  for (const segment of table.segments) {
    const share = segment.shares.get(namespace.id);
    if (share !== undefined) namespace.usedBytes += share.bytes + share.records * ENTRY_BYTES;
  }
}
