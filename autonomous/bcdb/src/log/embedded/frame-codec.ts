import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { crc32 } from '@commongrid/base';
import type { Entry } from '../../record/entry.ts';
import type { LogBatch, StoredEntry } from '../log-engine.ts';
import {
  frameFlags,
  frameHeaderBytes,
  frameTextBytesMax,
  hasFlag,
  rootBytes,
  writeFrameHeader,
} from './format.ts';
import type { FrameHeader } from './format.ts';

/** An entry to be written; one whose body was erased says so on disk too. */
export interface FrameEntry extends Entry {
  readonly isErased?: boolean;
}

/** One frame ready to be written. */
export interface EncodedFrame {
  readonly first: number;
  readonly bytes: Buffer;
}

/*
 * The content of a frame has two parts. The text holds what repeats from record to record: the table
 * of lengths, the envelopes, the payloads. The tail holds what never does: the last 64 bytes of each
 * leaf, which are its signature, and the first 16 of each body, which are its salt. Compressing them
 * together would make both longer.
 */
const leafTailBytes = 64;
const bodyTailBytes = 16;

/** Length of a leaf (2 bytes) and of a body (4). */
const lengthsBytes = 6;
const noBody = 0xffffffff;
const erasedBody = 0xfffffffe;

/** Below this a call of the compressor costs more than the bytes that it saves are worth. */
const compressFromBytes = 2048;

const compression = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** A batch as frames of at most 64 KiB of text each; the last one carries the root. */
export function encodeBatch(
  batch: LogBatch,
  logId: Uint8Array,
  durableTo: number,
): readonly EncodedFrame[] {
  const { entries, from, head } = batch;
  const whole = { entries, first: from, flags: frameFlags.batchEnd, root: head.root, durableTo };
  return encodeFrames(whole, logId);
}

/** The content of a frame in as many as it takes; flags and root are those of the last one. */
export function encodeFrames(whole: FrameContent, logId: Uint8Array): readonly EncodedFrame[] {
  const { entries, durableTo } = whole;
  const frames: EncodedFrame[] = [];
  for (let at = 0; at < entries.length;) {
    const end = frameEndIndex(entries, at);
    const isLast = end === entries.length;
    const first = whole.first + at;
    const flags = isLast ? whole.flags : 0;
    const root = isLast ? whole.root : noRoot;
    const frame = { entries: entries.slice(at, end), first, flags, root, durableTo };
    frames.push({ first, bytes: encodeFrame(frame, logId) });
    at = end;
  }
  return frames;
}

/** What goes into one frame, or several. */
export interface FrameContent {
  readonly entries: readonly FrameEntry[];
  readonly first: number;
  /** `batchEnd` or 0; `compressed` is added where it pays. */
  readonly flags: number;
  readonly root: Uint8Array;
  readonly durableTo: number;
}

export function encodeFrame(frame: FrameContent, logId: Uint8Array): Buffer {
  const { entries, first, durableTo, root } = frame;
  const plainBytes = entries.reduce((sum, entry) => sum + textBytesOf(entry), 0);
  const tailBytes = entries.reduce((sum, entry) => sum + tailBytesOf(entry), 0);
  let bytes = Buffer.allocUnsafeSlow(frameHeaderBytes + plainBytes + tailBytes);
  const tailAt = frameHeaderBytes + plainBytes;
  writeEntries(entries, bytes, frameHeaderBytes, tailAt);
  let flags = frame.flags;
  let textBytes = plainBytes;
  if (plainBytes >= compressFromBytes) {
    const packed = zstdCompressSync(bytes.subarray(frameHeaderBytes, tailAt), compression);
    if (packed.length < plainBytes) {
      flags |= frameFlags.compressed;
      textBytes = packed.length;
      packed.copy(bytes, frameHeaderBytes);
      bytes.copy(bytes, frameHeaderBytes + textBytes, tailAt);
      bytes = bytes.subarray(0, frameHeaderBytes + textBytes + tailBytes);
    }
  }
  const contentCrc = crc32(bytes.subarray(frameHeaderBytes));
  const sizes = { textBytes, plainBytes, tailBytes, contentCrc };
  writeFrameHeader(bytes, logId, {
    flags,
    count: entries.length,
    first,
    durableTo,
    root,
    ...sizes,
  });
  return bytes;
}

/** Whether text and tail, which follow the header at `at`, are as they were written. */
export function isContentSound(header: FrameHeader, bytes: Buffer, at: number): boolean {
  const from = at + frameHeaderBytes;
  const to = from + header.textBytes + header.tailBytes;
  return to <= bytes.length && crc32(bytes.subarray(from, to)) === header.contentCrc;
}

/** The entries of a frame; what a frame with a right checksum cannot hold gives undefined. */
export function decodeFrame(
  header: FrameHeader,
  bytes: Buffer,
  at: number,
): readonly (StoredEntry & FrameEntry)[] | undefined {
  const { count, first, plainBytes } = header;
  const text = textOf(header, bytes, at + frameHeaderBytes);
  if (text?.length !== plainBytes || plainBytes < count * lengthsBytes) return undefined;
  const tailAt = at + frameHeaderBytes + header.textBytes;
  const tail = bytes.subarray(tailAt, tailAt + header.tailBytes);
  // Leaves and bodies are put together again in one buffer, which the entries share.
  const whole = Buffer.allocUnsafeSlow(plainBytes - count * lengthsBytes + tail.length);
  const pieces = new Reassembly(whole, text, count * lengthsBytes, tail);
  const entries: (StoredEntry & FrameEntry)[] = [];
  for (let i = 0; i < count; i++) {
    const leafLength = text.readUInt16LE(i * lengthsBytes);
    const bodyLength = text.readUInt32LE(i * lengthsBytes + 2);
    const leaf = pieces.take(leafLength, Math.min(leafLength, leafTailBytes), true);
    const hasBody = bodyLength < erasedBody;
    const body = hasBody
      ? pieces.take(bodyLength, Math.min(bodyLength, bodyTailBytes), false)
      : undefined;
    if (leaf === undefined || (hasBody && body === undefined)) return undefined;
    entries.push({ seq: first + i, leaf, body, isErased: bodyLength === erasedBody });
  }
  return pieces.isExact ? entries : undefined;
}

/** Reads a leaf's or a body's two pieces and joins them. */
class Reassembly {
  readonly #whole: Buffer;
  readonly #text: Buffer;
  readonly #tail: Buffer;
  #at = 0;
  #textAt: number;
  #tailAt = 0;

  constructor(whole: Buffer, text: Buffer, textAt: number, tail: Buffer) {
    this.#whole = whole;
    this.#text = text;
    this.#textAt = textAt;
    this.#tail = tail;
  }

  get isExact(): boolean {
    return this.#textAt === this.#text.length && this.#tailAt === this.#tail.length;
  }

  /** Undefined when the frame has not so many bytes. */
  take(length: number, tailLength: number, isTextFirst: boolean): Buffer | undefined {
    const start = this.#at;
    const textLength = length - tailLength;
    const hasText = this.#textAt + textLength <= this.#text.length;
    if (!hasText || this.#tailAt + tailLength > this.#tail.length) return undefined;
    const textTo = start + (isTextFirst ? 0 : tailLength);
    const tailTo = start + (isTextFirst ? textLength : 0);
    this.#text.copy(this.#whole, textTo, this.#textAt, this.#textAt + textLength);
    this.#tail.copy(this.#whole, tailTo, this.#tailAt, this.#tailAt + tailLength);
    this.#textAt += textLength;
    this.#tailAt += tailLength;
    this.#at += length;
    return this.#whole.subarray(start, this.#at);
  }
}

function textOf(header: FrameHeader, bytes: Buffer, from: number): Buffer | undefined {
  const text = bytes.subarray(from, from + header.textBytes);
  if (!hasFlag(header, 'compressed')) return text;
  try {
    return zstdDecompressSync(text, { maxOutputLength: Math.max(1, header.plainBytes) });
  } catch {
    // The checksum was right, so whoever wrote this wrote no frame: the caller names the place.
    return undefined;
  }
}

function writeEntries(
  entries: readonly FrameEntry[],
  bytes: Buffer,
  textFrom: number,
  tailFrom: number,
): void {
  let lengthsAt = textFrom;
  let textAt = textFrom + entries.length * lengthsBytes;
  let tailAt = tailFrom;
  const put = (text: Uint8Array, tail: Uint8Array): void => {
    bytes.set(text, textAt);
    textAt += text.length;
    bytes.set(tail, tailAt);
    tailAt += tail.length;
  };
  for (const { leaf, body, isErased } of entries) {
    bytes.writeUInt16LE(leaf.length, lengthsAt);
    bytes.writeUInt32LE(body?.length ?? (isErased === true ? erasedBody : noBody), lengthsAt + 2);
    lengthsAt += lengthsBytes;
    const leafEnd = Math.max(0, leaf.length - leafTailBytes);
    put(leaf.subarray(0, leafEnd), leaf.subarray(leafEnd));
    if (body !== undefined) put(body.subarray(bodyTailBytes), body.subarray(0, bodyTailBytes));
  }
}

/** How far a frame that begins with the entry `at` goes. */
function frameEndIndex(entries: readonly FrameEntry[], at: number): number {
  let bytes = 0;
  let end = at;
  for (let entry = entries[end]; entry !== undefined; entry = entries[++end]) {
    bytes += textBytesOf(entry);
    if (bytes > frameTextBytesMax && end > at) break;
  }
  return end;
}

function textBytesOf({ leaf, body }: FrameEntry): number {
  const bodyText = Math.max(0, (body?.length ?? 0) - bodyTailBytes);
  return lengthsBytes + Math.max(0, leaf.length - leafTailBytes) + bodyText;
}

function tailBytesOf({ leaf, body }: FrameEntry): number {
  return Math.min(leaf.length, leafTailBytes) + Math.min(body?.length ?? 0, bodyTailBytes);
}

const noRoot = new Uint8Array(rootBytes);
