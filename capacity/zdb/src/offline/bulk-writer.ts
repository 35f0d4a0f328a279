import { syncFolder } from '@commongrid/base';
import { makeFile } from '@commongrid/files';
import { packOwner, recordBytes } from '../engine/log/format.ts';
import type { NamespaceSettings } from '../engine/namespace.ts';
import { encodeSettings, settingsKey } from '../engine/namespaces.ts';
import { SEQUENCE_SPAN_MAX } from '../engine/log/segment-index.ts';
import { countShares } from '../engine/log/segment-scan.ts';
import { Store } from '../engine/store.ts';
import type { DumpRecord } from './dump-format.ts';
import { bringSystemIn, nextNamespaceId, nextNamespaceRecord } from './namespace-numbers.ts';

export interface BulkNamespace {
  readonly settings: NamespaceSettings;
  readonly nextId: number;
}

/**
 * Adds whole namespaces to a store that nobody uses. Their records come first; they are nobody's,
 * and compaction would remove them, until finish() writes the settings of all of them in one frame.
 */
export class BulkWriter {
  readonly store: Store;
  #lastId: number;
  /** Segments before this place in the table are sealed. */
  #sealed = 0;

  private constructor(store: Store) {
    this.store = store;
    this.#lastId = nextNamespaceId(store) - 1;
  }

  static async open(folder: string): Promise<BulkWriter> {
    // Synced when a segment is full and at the end: nothing is promised before.
    const store = await Store.open({ folder, durability: 'os' });
    await store.maintenance.close();
    return new BulkWriter(store);
  }

  /** Numbers for new namespaces, which no other namespace gets, also after a crash. */
  async reserveIds(count: number): Promise<number[]> {
    const ids = Array.from({ length: count }, (_, i) => this.#lastId + 1 + i);
    this.#lastId += count;
    const { key, value } = nextNamespaceRecord(this.#lastId + 1);
    await bringSystemIn(this.store, key);
    this.store.putSystem(key, value);
    await this.store.log.flush();
    return ids;
  }

  /** Adds a record as it is; sequences must rise. */
  async append(record: DumpRecord): Promise<void> {
    const { log, table, hasher } = this.store;
    const { key, value, sequence } = record;
    const { last } = table;
    if (last !== undefined && sequence - last.firstSequence > SEQUENCE_SPAN_MAX) log.rotate();
    log.skipTo(sequence - 1);
    log.segmentFor(recordBytes(key.length, value.length));
    hasher.hash(key, 0, key.length);
    log.append(
      packOwner(record.namespaceId, record.kind),
      record.timeSeconds,
      record.previous,
      key,
      0,
      key.length,
      value,
      0,
      value.length,
      hasher.low,
      hasher.high,
    );
    if (table.segments.length - 1 > this.#sealed) await this.sealFull();
  }

  /** Writes the index files of full segments, so that their entries need no memory any more. */
  async sealFull(): Promise<void> {
    const { log, table } = this.store;
    for (; this.#sealed < table.segments.length - 1; this.#sealed++) {
      const segment = table.segments[this.#sealed];
      if (segment?.index === undefined) continue;
      await log.flush(segment.lastSequence);
      countShares(segment, segment.index);
      const bytes = segment.index.encode(table.logId, segment.id);
      await makeFile(table.files, segment.indexPath, bytes);
      await syncFolder(table.folder);
      segment.isSealed = true;
      segment.index = undefined;
      table.save();
    }
  }

  /** Makes the namespaces appear, all or none, with all their records. */
  async finish(namespaces: readonly BulkNamespace[]): Promise<void> {
    const { log, table } = this.store;
    await log.flush();
    for (const { settings, nextId } of namespaces) {
      if (nextId > 0) table.nextIds.set(settings.id, nextId);
      this.#lastId = Math.max(this.#lastId, settings.id);
    }
    table.save();
    const records = namespaces.map(({ settings }) => {
      return { key: settingsKey(settings.name), value: encodeSettings(settings) };
    });
    records.push(nextNamespaceRecord(this.#lastId + 1));
    // One frame leaves no time to wait for what they replace.
    for (const { key } of records) await bringSystemIn(this.store, key);
    const bytes = records.reduce((all, one) => {
      return all + recordBytes(one.key.length, one.value.length);
    }, 0);
    log.keepTogether(bytes, records.length);
    for (const { key, value } of records) this.store.putSystem(key, value);
    await log.flush();
  }

  async close(): Promise<void> {
    await this.store.close();
  }
}
