import { createHash } from 'node:crypto';
import { GridError } from '@commongrid/base';
import { isDeletion, kindOf, namespaceOf } from '../engine/log/format.ts';
import { isNewest } from '../engine/reading/history.ts';
import type { Namespace } from '../engine/namespace.ts';
import type { Segment } from '../engine/log/segment.ts';
import type { IndexEntry } from '../engine/log/segment-index.ts';
import { Store } from '../engine/store.ts';
import type { ZdbErrorCode } from '../errors.ts';
import { restoreNextIds } from '../server/sequential.ts';
import { DUMP_VERSION, encodeLine } from './dump-format.ts';
import type { DumpLine, DumpRecord } from './dump-format.ts';
import { readOnlyFiles } from './folder-files.ts';
import { NewFile } from './new-file.ts';
import { SegmentRecords } from '../engine/log/segment-records.ts';
import { onFolder, Work } from './work.ts';
import type { WorkOptions } from './work.ts';

export interface ExportOptions extends WorkOptions {
  /** Only this namespace. Default: all. */
  readonly namespace?: string;
  /** Former versions and deletions too. Default true. */
  readonly history?: boolean;
}

export interface ExportResult {
  readonly namespaces: readonly string[];
  readonly records: number;
  readonly bytes: number;
}

/**
 * Writes the content of a folder to a new file that any later release can import.
 * @throws ZDB_FOLDER_MISSING, BASE_FOLDER_LOCKED, ZDB_TARGET_EXISTS, ZDB_NAMESPACE_UNKNOWN,
 *   ZDB_SEGMENT_CORRUPT, ZDB_READ_FAILED: a folder that is not sound is not exported in part
 */
export async function exportFolder(
  folder: string,
  target: string,
  options: ExportOptions = {},
): Promise<ExportResult> {
  return onFolder(folder, async () => {
    const store = await openForExport(folder);
    try {
      return await writeDump(store, target, options);
    } finally {
      await store.close();
    }
  });
}

/** A store that may be read to its last record. @throws as exportFolder */
export async function openForExport(folder: string): Promise<Store> {
  const store = await Store.open({ folder, files: readOnlyFiles, isReadOnly: true });
  const damage = store.recovery.find(({ kind }) => kind === 'corrupt');
  if (damage !== undefined || store.table.quarantine.length > 0) {
    await store.close();
    throw new GridError<ZdbErrorCode>(
      'ZDB_SEGMENT_CORRUPT',
      damage?.text ?? `${folder} has damaged stretches in quarantine`,
      { hint: `grid zdb repair --data ${folder}`, details: { folder } },
    );
  }
  await restoreNextIds(store);
  return store;
}

/** The namespaces to export. @throws ZDB_NAMESPACE_UNKNOWN */
export function chosenNamespaces(store: Store, name: string | undefined): Namespace[] {
  if (name === undefined) return store.namespaces.list();
  const namespace = store.namespaces.get(name);
  if (namespace !== undefined) return [namespace];
  const names = store.namespaces.list().map(({ settings }) => settings.name);
  throw new GridError<ZdbErrorCode>('ZDB_NAMESPACE_UNKNOWN', `there is no namespace ${name}`, {
    hint: `there are: ${names.join(', ')}`,
    details: { name },
  });
}

/** A record, and where it stands. */
export interface PlacedRecord {
  readonly record: DumpRecord;
  readonly namespace: Namespace;
  readonly segment: Segment;
  readonly entry: IndexEntry;
}

/** The records of namespaces in order of the log. Keys and values are good until the next one. */
export async function* recordsOf(
  store: Store,
  namespaces: readonly Namespace[],
  withHistory: boolean,
  work: Work,
): AsyncGenerator<PlacedRecord> {
  const byId = new Map(namespaces.map((one) => [one.id, one]));
  for (const segment of store.table.segments) {
    const index = await store.locator.load(segment);
    const records = new SegmentRecords(store.table.files, segment);
    let reported = 0;
    for (let position = 0; position < index.count; position++) {
      const entry = index.entry(position);
      const namespace = byId.get(namespaceOf(entry.owner));
      if (entry.offset - reported > REPORT_BYTES) {
        await work.step(entry.offset - reported);
        reported = entry.offset;
      }
      if (namespace === undefined) continue;
      if (!withHistory) {
        if (isDeletion(entry.owner) || !isNewest(namespace, segment, entry)) continue;
      }
      const { isSound, previous, key, value } = records.read(entry);
      if (!isSound) throw damaged(segment, entry.offset);
      const { sequence, timeSeconds } = entry;
      const kind = kindOf(entry.owner);
      const former = withHistory ? previous : 0;
      const namespaceId = namespace.id;
      const record = { namespaceId, kind, sequence, previous: former, timeSeconds, key, value };
      yield { record, namespace, segment, entry };
    }
    await work.step(segment.nextOffset - reported);
  }
}

const REPORT_BYTES = 4 * 1024 * 1024;

async function writeDump(
  store: Store,
  target: string,
  options: ExportOptions,
): Promise<ExportResult> {
  const { history = true } = options;
  const namespaces = chosenNamespaces(store, options.namespace);
  const logBytes = store.table.segments.reduce((sum, { nextOffset }) => sum + nextOffset, 0);
  const work = new Work(options, logBytes);
  using file = NewFile.create(target);
  const hash = createHash('sha256');
  const put = (line: DumpLine): void => {
    const bytes = encodeLine(line);
    hash.update(bytes);
    file.write(bytes);
  };
  put({ head: { dump: 'commongrid-zdb', version: DUMP_VERSION, history } });
  for (const namespace of namespaces) {
    const { settings, nextId } = namespace;
    put({ namespace: { settings, nextId, records: countRecords(store, namespace, history) } });
  }
  let records = 0;
  for await (const { record } of recordsOf(store, namespaces, history, work)) {
    put({ record });
    records++;
  }
  file.write(encodeLine({ end: { records, sha256: hash.digest('hex') } }));
  file.commit();
  const names = namespaces.map(({ settings }) => settings.name);
  return { namespaces: names, records, bytes: file.bytes };
}

function countRecords(store: Store, namespace: Namespace, withHistory: boolean): number {
  if (!withHistory) return namespace.index.liveCount;
  const { segments } = store.table;
  return segments.reduce((sum, one) => sum + (one.shares.get(namespace.id)?.records ?? 0), 0);
}

function damaged(segment: Segment, offset: number): GridError<ZdbErrorCode> {
  const { path } = segment;
  return new GridError('ZDB_READ_FAILED', `the record at offset ${offset} of ${path} is damaged`, {
    hint: `grid zdb verify --data ${path.slice(0, path.lastIndexOf('/'))}`,
    details: { path, offset },
  });
}
