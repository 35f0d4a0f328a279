import fs from 'node:fs';
import path from 'node:path';
import { readUpTo, realFiles, syncFolder, writeAll } from '@commongrid/files';
import { RecordKind, writeUint53 } from '../../engine/log/format.ts';
import type { DumpRecord } from '../dump-format.ts';
import { originalCrc32c } from './crc32c.ts';
import {
  DATA_HEADER_BYTES,
  encodeDataEntry,
  encodeDataHeader,
  encodeIndexEntry,
  encodeIndexHeader,
  ENTRY_DELETED,
  INDEX_ENTRY_BYTES,
} from './format.ts';
import type { OriginalMode } from './format.ts';

interface Place {
  readonly file: number;
  readonly offset: number;
}

export interface OriginalWriterOptions {
  readonly indexDir: string;
  readonly dataDir: string;
  readonly mode: OriginalMode;
  readonly dataFileBytes: number;
}

const SLOT_BYTES = INDEX_ENTRY_BYTES + 8;

/**
 * Writes data and index files of one namespace.
 *
 * With user keys each value has an entry in the index file of the same number as its data file, and
 * names the entry of the value before it; only the newest is not flagged as deleted. In sequential
 * mode an id is a slot number over all index files: one slot an id, with its newest value; the values
 * before it stay in the data files, without an index entry.
 */
export class OriginalWriter implements Disposable {
  readonly #options: OriginalWriterOptions;
  #data: Output;
  #index: Output;
  #dataFile = 0;
  #previousData = 0;
  #previousIndex = 0;
  /** Index entries of values that will be replaced: sequence -> place. Removed when that happens. */
  readonly #replaced = new Map<number, Place>();
  /** Sequential mode: the slots of all ids, until it is known how many there are. */
  readonly #slots: number;

  constructor(options: OriginalWriterOptions) {
    this.#options = options;
    this.#data = this.#beginData(0);
    this.#index = this.#beginIndex(0);
    this.#slots = fs.openSync(this.#slotsPath, 'w+', 0o600);
  }

  get #slotsPath(): string {
    return path.join(this.#options.indexDir, 'slots');
  }

  add(record: DumpRecord, isNewest: boolean): void {
    const isDeletion = record.kind !== RecordKind.set;
    const checksum = isDeletion ? 0 : originalCrc32c(record.value);
    this.#rotate(record.value.length);
    const dataOffset = this.#data.position;
    const { key, value, timeSeconds } = record;
    const entry = encodeDataEntry({
      keyLength: key.length,
      valueLength: value.length,
      previousOffset: this.#previousData,
      checksum,
      flags: isDeletion ? ENTRY_DELETED : 0,
      timeSeconds,
    });
    this.#data.write(Buffer.concat([entry, key, value]));
    this.#previousData = dataOffset;
    if (this.#options.mode === 'seq') this.#fillSlot(record, dataOffset, checksum);
    else this.#addIndexEntry(record, isNewest, dataOffset, checksum);
  }

  #rotate(valueLength: number): void {
    const { position } = this.#data;
    if (position === DATA_HEADER_BYTES) return;
    if (position + valueLength <= this.#options.dataFileBytes) return;
    this.#data.finish();
    this.#data = this.#beginData(++this.#dataFile);
    this.#previousData = 0;
    if (this.#options.mode === 'seq') return;
    this.#index.finish();
    this.#index = this.#beginIndex(this.#dataFile);
  }

  #addIndexEntry(
    record: DumpRecord,
    isNewest: boolean,
    dataOffset: number,
    checksum: number,
  ): void {
    const parent = this.#replaced.get(record.previous);
    this.#replaced.delete(record.previous);
    if (record.kind !== RecordKind.set) return;
    const offset = this.#index.position;
    const entry = encodeIndexEntry({
      key: record.key,
      dataOffset,
      valueLength: record.value.length,
      previousOffset: this.#previousIndex,
      flags: isNewest ? 0 : ENTRY_DELETED,
      dataFile: this.#dataFile,
      timeSeconds: record.timeSeconds,
      checksum,
      parentFile: parent?.file ?? 0,
      parentOffset: parent?.offset ?? 0,
    });
    this.#index.write(entry);
    this.#previousIndex = offset;
    if (!isNewest) this.#replaced.set(record.sequence, { file: this.#dataFile, offset });
  }

  #fillSlot(record: DumpRecord, dataOffset: number, checksum: number): void {
    const id = Number(record.key.readBigUInt64LE());
    const at = id * SLOT_BYTES;
    if (record.kind !== RecordKind.set) {
      const slot = Buffer.alloc(SLOT_BYTES);
      readUpTo(realFiles, this.#slots, slot, 0, SLOT_BYTES, at);
      if (slot.readUInt8(0) === 0) return;
      slot.writeUInt8(ENTRY_DELETED, 13);
      writeAll(realFiles, this.#slots, slot, at);
      return;
    }
    const slot = encodeIndexEntry({
      key: record.key,
      dataOffset,
      valueLength: record.value.length,
      previousOffset: 0,
      flags: 0,
      dataFile: this.#dataFile,
      timeSeconds: record.timeSeconds,
      checksum,
      parentFile: 0,
      parentOffset: 0,
    });
    writeAll(realFiles, this.#slots, slot, at);
  }

  /** Writes what is still to be written. `nextId`: the id after the last one of sequential mode. */
  finish(nextId: number): void {
    if (this.#options.mode === 'seq') this.#writeSlots(nextId);
    this.#data.finish();
    this.#index.finish();
    fs.rmSync(this.#slotsPath);
    for (const folder of [this.#options.indexDir, this.#options.dataDir]) {
      syncFolder(realFiles, folder);
    }
  }

  /** Spreads the slots over as many index files as there are data files; none may be empty. */
  #writeSlots(nextId: number): void {
    const files = this.#dataFile + 1;
    const total = Math.max(nextId, files === 1 ? 0 : files);
    let previousOffset = 0;
    for (let file = 0; file < files; file++) {
      if (file > 0) {
        this.#index.finish();
        this.#index = this.#beginIndex(file);
      }
      const end = Math.floor((total * (file + 1)) / files);
      for (let id = Math.floor((total * file) / files); id < end; id++) {
        const slot = this.#slot(id);
        slot.writeUInt32LE(previousOffset, 9);
        previousOffset = this.#index.position;
        this.#index.write(slot);
      }
    }
  }

  /** A slot; of an id that has no value any more, an empty one that is flagged as deleted. */
  #slot(id: number): Buffer {
    const slot = Buffer.alloc(SLOT_BYTES);
    const got = readUpTo(realFiles, this.#slots, slot, 0, SLOT_BYTES, id * SLOT_BYTES);
    if (got === SLOT_BYTES && slot.readUInt8(0) > 0) return slot;
    slot.fill(0);
    slot.writeUInt8(8, 0);
    slot.writeUInt8(ENTRY_DELETED, 13);
    writeUint53(slot, id, INDEX_ENTRY_BYTES);
    return slot;
  }

  #beginData(file: number): Output {
    return new Output(path.join(this.#options.dataDir, `d${file}`), encodeDataHeader(file));
  }

  #beginIndex(file: number): Output {
    const header = encodeIndexHeader(file, this.#options.mode);
    return new Output(path.join(this.#options.indexDir, `i${file}`), header);
  }

  [Symbol.dispose](): void {
    this.#data.close();
    this.#index.close();
    fs.closeSync(this.#slots);
  }
}

const BUFFER_BYTES = 1024 * 1024;

/** A file that is written from its beginning to its end. */
class Output {
  position = 0;
  readonly #fd: number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #isOpen = true;

  constructor(file: string, header: Buffer) {
    this.#fd = fs.openSync(file, 'wx', 0o600);
    this.write(header);
  }

  write(bytes: Buffer): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.position += bytes.length;
    if (this.#pendingBytes >= BUFFER_BYTES) this.#flush();
  }

  #flush(): void {
    const at = this.position - this.#pendingBytes;
    writeAll(realFiles, this.#fd, Buffer.concat(this.#pending), at);
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  finish(): void {
    this.#flush();
    fs.fsyncSync(this.#fd);
    this.close();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    fs.closeSync(this.#fd);
  }
}
