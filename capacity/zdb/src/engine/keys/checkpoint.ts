import { crc32 } from 'node:zlib';
import { type Files, syncAsync, syncFolderAsync, writeAsync } from '@commongrid/files';
import { readUint53, writeUint53 } from '../log/format.ts';
import { KeyIndex, Shard } from './key-index.ts';
import type { Namespaces } from '../namespaces.ts';
import type { SegmentTable } from '../log/segment-table.ts';

/*
 * The key index on disk, so that a start need not build it. A checkpoint is a help, never the truth: one
 * that is damaged, or names a segment that is gone, is passed over and the index is built from entries.
 *
 *   header (32 bytes): magic, checksum of the rest of it, version, count of segments, log id
 *   segments: slot u32, 0, id u64 - for each segment that slots may name
 *   shards: header (48 bytes), slots
 *   end (16 bytes): magic, count of shards, checksum of all that was before, 0
 *
 * Shards are copied one at a time while writes go on, each with the sequence that it includes. That
 * sequence must be on disk before the shard is.
 */

const MAGIC = 0x4b42445a; // "ZDBK"
const END_MAGIC = 0x4542445a; // "ZDBE"
const VERSION = 1;
const HEADER_BYTES = 32;
const SHARD_HEADER_BYTES = 48;
const END_BYTES = 16;

export interface CheckpointContext {
  readonly files: Files;
  readonly table: SegmentTable;
  readonly namespaces: Namespaces;
  readonly lastSequence: () => number;
  /** Resolves when this sequence is on disk. */
  readonly durable: (sequence: number) => Promise<void>;
  /** Called after each shard, for what cannot wait until the whole is written. */
  readonly meanwhile: () => Promise<void>;
}

/** Writes the next checkpoint and makes the manifest name it. Segments must not change meanwhile. */
export async function writeCheckpoint(context: CheckpointContext, number: number): Promise<void> {
  const { files, table, namespaces } = context;
  const target = table.checkpointPath(number);
  const fd = files.openSync(target, 'w', 0o600);
  let position = 0;
  let sum = 0;
  const put = async (bytes: Buffer): Promise<void> => {
    sum = crc32(bytes, sum);
    await writeAsync(files, fd, bytes, bytes.length, position);
    position += bytes.length;
  };
  try {
    await put(encodeHead(table));
    let shards = 0;
    let buffer = Buffer.alloc(0);
    for (const namespace of namespaces.all()) {
      const parts: Part[] = [...namespace.index.shards()].map(partOf);
      for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
        const { prefix, depth } = part;
        const shard = namespace.index.shardAt(prefix);
        if (shard.depth > depth) {
          // It has split since: what is copied is what took its place.
          const below = depth + 1;
          parts.unshift({ prefix, depth: below }, { prefix: prefix | (1 << depth), depth: below });
          continue;
        }
        const sequence = context.lastSequence();
        const length = SHARD_HEADER_BYTES + shard.slots.byteLength;
        // One buffer for all: a new one for each would be as much garbage as the index is large.
        if (buffer.length < length) buffer = Buffer.allocUnsafeSlow(length);
        const bytes = buffer.subarray(0, length);
        encodeShard(bytes, namespace.id, shard, prefix, sequence);
        await context.durable(sequence);
        await put(bytes);
        await context.meanwhile();
        shards++;
      }
    }
    const end = Buffer.alloc(END_BYTES);
    end.writeUInt32LE(END_MAGIC, 0);
    end.writeUInt32LE(shards, 4);
    end.writeUInt32LE(sum, 8);
    await put(end);
    await syncAsync(files, fd);
  } finally {
    files.closeSync(fd);
  }
  await syncFolderAsync(files, table.folder);
  const old = table.checkpoint;
  table.checkpoint = number;
  await table.saveBehind();
  if (old !== 0) await table.removeFilesBehind([table.checkpointPath(old)]);
}

/** Hashes with the same low bits. */
interface Part {
  readonly prefix: number;
  readonly depth: number;
}

function partOf({ shard, prefix }: { shard: Shard; prefix: number }): Part {
  return { prefix, depth: shard.depth };
}

function encodeHead(table: SegmentTable): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + table.segments.length * 16);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(VERSION, 8);
  bytes.writeUInt32LE(table.segments.length, 12);
  bytes.writeBigUInt64LE(table.logId, 16);
  for (const [i, segment] of table.segments.entries()) {
    bytes.writeUInt32LE(segment.slot, HEADER_BYTES + i * 16);
    writeUint53(bytes, segment.id, HEADER_BYTES + i * 16 + 8);
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
  return bytes;
}

/** Copies a shard: what is written later does not show in it. */
function encodeShard(
  bytes: Buffer,
  namespaceId: number,
  shard: Shard,
  prefix: number,
  sequence: number,
): void {
  const slots = new Uint8Array(shard.slots.buffer, shard.slots.byteOffset, shard.slots.byteLength);
  bytes.fill(0, 0, SHARD_HEADER_BYTES);
  bytes.writeUInt32LE(namespaceId, 8);
  bytes.writeUInt32LE(shard.depth, 12);
  bytes.writeUInt32LE(prefix, 16);
  bytes.writeUInt32LE(shard.capacity, 20);
  writeUint53(bytes, sequence, 24);
  bytes.set(slots, SHARD_HEADER_BYTES);
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
}

/** Reads a checkpoint; undefined when it is not whole, sound and about these very segments. */
export function readCheckpoint(
  files: Files,
  table: SegmentTable,
): Map<number, KeyIndex> | undefined {
  if (table.checkpoint === 0) return undefined;
  const path = table.checkpointPath(table.checkpoint);
  if (!files.existsSync(path)) return undefined;
  const fd = files.openSync(path, 'r');
  try {
    return new CheckpointReader(files, fd, table).read();
  } finally {
    files.closeSync(fd);
  }
}

class CheckpointReader {
  readonly #files: Files;
  readonly #fd: number;
  readonly #table: SegmentTable;
  readonly #size: number;
  #position = 0;

  constructor(files: Files, fd: number, table: SegmentTable) {
    this.#files = files;
    this.#fd = fd;
    this.#table = table;
    this.#size = files.fstatSync(fd).size;
  }

  read(): Map<number, KeyIndex> | undefined {
    const slots = this.#readHead();
    if (slots === undefined) return undefined;
    const parts = new Map<number, { shard: Shard; prefix: number }[]>();
    let count = 0;
    while (this.#position < this.#size - END_BYTES) {
      const part = this.#readShard(slots);
      if (part === undefined) return undefined;
      const list = parts.get(part.namespaceId);
      if (list === undefined) parts.set(part.namespaceId, [part]);
      else list.push(part);
      count++;
    }
    const end = this.#take(END_BYTES);
    if (end?.readUInt32LE(0) !== END_MAGIC || end.readUInt32LE(4) !== count) return undefined;
    const indexes = new Map<number, KeyIndex>();
    for (const [id, shards] of parts) {
      const index = KeyIndex.fromShards(shards);
      if (index === undefined) return undefined;
      indexes.set(id, index);
    }
    return indexes;
  }

  /** Returns the slots that may be named, when all of their segments are still there. */
  #readHead(): Set<number> | undefined {
    const head = this.#take(HEADER_BYTES);
    if (head === undefined || head.readUInt32LE(0) !== MAGIC || head.readUInt32LE(8) !== VERSION) {
      return undefined;
    }
    const list = this.#take(head.readUInt32LE(12) * 16);
    if (list === undefined || head.readBigUInt64LE(16) !== this.#table.logId) return undefined;
    if (crc32(list, crc32(head.subarray(8))) !== head.readUInt32LE(4)) return undefined;
    const ids = new Map(this.#table.segments.map((one) => [one.id, one.slot]));
    const slots = new Set<number>();
    for (let at = 0; at < list.length; at += 16) {
      const slot = list.readUInt32LE(at);
      if (ids.get(readUint53(list, at + 8)) !== slot) return undefined;
      slots.add(slot);
    }
    // Segments that were added after the checkpoint may be named by shards that were copied later.
    for (const segment of this.#table.segments) slots.add(segment.slot);
    return slots;
  }

  #readShard(
    slots: Set<number>,
  ): { namespaceId: number; shard: Shard; prefix: number } | undefined {
    const header = this.#take(SHARD_HEADER_BYTES);
    if (header === undefined) return undefined;
    const capacity = header.readUInt32LE(20);
    if (capacity * 16 > this.#size) return undefined;
    const words = new Uint32Array(capacity * 4);
    const body = Buffer.from(words.buffer);
    if (!this.#fill(body)) return undefined;
    if (crc32(body, crc32(header.subarray(8))) !== header.readUInt32LE(4)) return undefined;
    for (let at = 2; at < words.length; at += 4) {
      const slot = (words[at] as number) & 0x7fffff;
      if (slot !== 0 && !slots.has(slot)) return undefined;
    }
    const shard = new Shard(capacity, header.readUInt32LE(12), words);
    shard.sequence = readUint53(header, 24);
    return { namespaceId: header.readUInt32LE(8), shard, prefix: header.readUInt32LE(16) };
  }

  #take(length: number): Buffer | undefined {
    if (this.#position + length > this.#size) return undefined;
    const bytes = Buffer.alloc(length);
    return this.#fill(bytes) ? bytes : undefined;
  }

  #fill(bytes: Buffer): boolean {
    let done = 0;
    while (done < bytes.length) {
      const at = this.#position + done;
      const got = this.#files.readSync(this.#fd, bytes, done, bytes.length - done, at);
      if (got === 0) return false;
      done += got;
    }
    this.#position += bytes.length;
    return true;
  }
}
