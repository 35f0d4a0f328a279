import type { Namespace } from '../engine/namespace.ts';
import { ENTRY_BYTES } from '../engine/log/segment-index.ts';
import { DEFAULT_NAMESPACE } from '../engine/namespace.ts';
import { freeDiskBytes, reserveBytesOf } from './disk-space.ts';
import { historyText } from './history-policy.ts';
import { kib, lines, mib, yesNo } from './info-lines.ts';
import type { Session } from './session.ts';

/** The text of NSINFO: the fields of 0-db under their names, then our own. */
export function namespaceInfo(session: Session, namespace: Namespace): string {
  const { context, store } = session;
  const { settings } = namespace;
  const records = recordCount(namespace, session);
  const isDefault = namespace.id === DEFAULT_NAMESPACE;
  const hasPassword = isDefault
    ? context.config.adminPassword !== undefined
    : settings.password !== '';
  const indexBytes = records * ENTRY_BYTES;
  const dataBytes = namespace.usedBytes - indexBytes;
  const freeBytes = freeDiskBytes(store);
  const fields: [string, string | number][] = [
    ['name', settings.name],
    ['entries', namespace.index.liveCount],
    ['public', yesNo(isDefault ? !hasPassword || context.config.isProtected : settings.isPublic)],
    ['worm', yesNo(settings.isWorm)],
    ['locked', yesNo(settings.isLocked)],
    ['frozen', yesNo(settings.isFrozen)],
    ['password', yesNo(hasPassword)],
    ['data_size_bytes', dataBytes],
    ['data_size_mb', mib(dataBytes)],
    ['data_limits_bytes', settings.maxBytes],
    ['index_size_bytes', indexBytes],
    ['index_size_kb', kib(indexBytes)],
    ['next_internal_id', swappedId(namespace.nextId)],
    ['mode', settings.mode === 'seq' ? 'sequential' : 'userkey'],
    ['epoch', settings.epoch],
    ['history', historyText(settings.history)],
    ['used_bytes', namespace.usedBytes],
    ['live_bytes', namespace.liveBytes],
    ['value_bytes', namespace.valueBytes],
    ['deleted_entries', namespace.index.deletedCount],
    ['index_memory_bytes', namespace.index.memoryBytes],
    ['created_at', Math.floor(settings.createdMs / 1000)],
    // One log serves all namespaces, so errors count for the whole folder.
    ['stats_index_io_errors', 0],
    ['stats_index_io_error_last', 0],
    ['stats_index_faults', 0],
    ['stats_data_io_errors', context.stats.readFailures + context.stats.writeFailures],
    ['stats_data_io_error_last', Math.floor(context.stats.lastFailureMs / 1000)],
    ['stats_data_faults', 0],
    ['index_disk_freespace_bytes', freeBytes],
    ['index_disk_freespace_mb', mib(freeBytes)],
    ['data_disk_freespace_bytes', freeBytes],
    ['data_disk_freespace_mb', mib(freeBytes)],
    // Of what is free; for deletions and compaction alone.
    ['data_disk_reserve_bytes', reserveBytesOf(store)],
  ];
  if (settings.maxBytes > 0) {
    const space = Math.max(0, settings.maxBytes - namespace.usedBytes);
    fields.push(['space_available', space]);
  }
  if (session.isAdmin) fields.push(...places(session));
  return lines([['namespace', fields]]);
}

function places({ store }: Session): [string, string | number][] {
  const { table } = store;
  const { last } = table;
  return [
    ['data_path', table.folder],
    ['data_active', last?.path ?? ''],
    ['index_path', table.folder],
    ['index_active', last?.indexPath ?? ''],
    ['data_current_id', last?.id ?? 0],
    ['data_current_offset', last?.nextOffset ?? 0],
  ];
}

function recordCount(namespace: Namespace, { store }: Session): number {
  let records = 0;
  for (const segment of store.table.segments) {
    records += segment.shares.get(namespace.id)?.records ?? 0;
  }
  return records;
}

/** As the id stands in a key: the lowest byte first. */
function swappedId(id: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(id));
  return `0x${bytes.toString('hex')}`;
}
