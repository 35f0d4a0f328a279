import { syncFolder } from '@commongrid/base';
import { type Files, makeFile, syncAsync, writeAll } from '@commongrid/files';
import {
  encodeFrameHeader,
  encodeSegmentHeader,
  FORMAT_VERSION,
  FRAME_COMPACTED,
  FRAME_HEADER_BYTES,
  keyLengthOf,
  packLengths,
  RECORD_HEADER_BYTES,
  readUint53,
  recordChecksum,
  recordPreviousAt,
  SEGMENT_HEADER_BYTES,
  valueLengthOf,
} from '../engine/log/format.ts';
import type { KeyHasher } from '../engine/keys/key-hash.ts';
import type { ManifestSegment } from '../engine/log/manifest.ts';
import { Segment } from '../engine/log/segment.ts';
import { type IndexEntry, SegmentIndex } from '../engine/log/segment-index.ts';
import { countShares } from '../engine/log/segment-scan.ts';
import { entryBytes } from './inspect-segment.ts';
import { SegmentRecords } from '../engine/log/segment-records.ts';

const FRAME_BYTES = 512 * 1024;

export interface RewriteOptions {
  readonly files: Files;
  readonly folder: string;
  readonly logId: bigint;
  readonly hasher: KeyHasher;
  /** Number and name of the new segment. */
  readonly id: number;
  readonly slot: number;
  readonly path: string;
  readonly firstSequence: number;
  readonly nowMs: number;
}

/** Copies records, in order and with their sequences, into a new sealed segment with its index. */
export async function rewriteSegment(
  options: RewriteOptions,
  from: Segment,
  entries: readonly IndexEntry[],
): Promise<ManifestSegment> {
  const { files, folder, logId } = options;
  const segment = new Segment(files, options);
  try {
    segment.adopt(files.openSync(segment.path, 'w+', 0o600));
    const index = new Copy(options, segment, new SegmentRecords(files, from)).run(entries);
    await syncAsync(files, segment.fd);
    await makeFile(files, segment.indexPath, index.encode(logId, segment.id));
    await syncFolder(folder);
    return sealedLine(segment, index);
  } finally {
    segment.close();
  }
}

/** The manifest's line of a segment that is whole on disk. */
export function sealedLine(
  segment: Segment,
  index: SegmentIndex,
  lastSequence?: number,
): ManifestSegment {
  countShares(segment, index);
  const shares: Record<string, [number, number, number]> = {};
  for (const [id, share] of segment.shares) shares[id] = [share.records, share.bytes, share.values];
  const { id, slot, firstSequence, nextOffset } = segment;
  const last = index.count === 0 ? firstSequence - 1 : index.sequenceAt(index.count - 1);
  return {
    ...{ id, slot, firstSequence, shares },
    lastSequence: Math.max(last, lastSequence ?? 0),
    bytes: nextOffset,
    records: index.count,
  };
}

class Copy {
  readonly #options: RewriteOptions;
  readonly #segment: Segment;
  readonly #records: SegmentRecords;
  readonly #index: SegmentIndex;
  #frame: Buffer[] = [];
  #frameBytes = 0;
  #first = 0;
  #last = 0;

  constructor(options: RewriteOptions, segment: Segment, records: SegmentRecords) {
    this.#options = options;
    this.#segment = segment;
    this.#records = records;
    this.#index = new SegmentIndex(options.firstSequence);
  }

  run(entries: readonly IndexEntry[]): SegmentIndex {
    const { files, logId, id: segmentId, firstSequence, nowMs } = this.#options;
    const version = FORMAT_VERSION;
    const createdMs = nowMs;
    const header = encodeSegmentHeader({ version, logId, segmentId, firstSequence, createdMs });
    writeAll(files, this.#segment.fd, header, 0);
    this.#segment.nextOffset = SEGMENT_HEADER_BYTES;
    for (const entry of entries) {
      if (this.#frameBytes + entryBytes(entry) > FRAME_BYTES) this.#writeFrame();
      this.#add(entry);
    }
    this.#writeFrame();
    return this.#index;
  }

  #add(entry: IndexEntry): void {
    const length = entryBytes(entry);
    const bytes = Buffer.alloc(length);
    const keyLength = keyLengthOf(entry.lengths);
    const valueLength = valueLengthOf(entry.lengths);
    const end = RECORD_HEADER_BYTES + keyLength + valueLength;
    this.#records.view(entry.offset, end).copy(bytes, 0, 0, end);
    const offset = this.#segment.nextOffset + FRAME_HEADER_BYTES + this.#frameBytes;
    const { id } = this.#options;
    bytes.writeUInt32LE(recordChecksum(bytes, 0, keyLength, valueLength, id, offset), 0);
    if (this.#frame.length === 0) this.#first = entry.sequence;
    this.#last = entry.sequence;
    this.#frame.push(bytes);
    this.#frameBytes += length;
    const { sequence, owner, timeSeconds } = entry;
    const { hasher } = this.#options;
    // The entry may come from an index file of a lost secret.
    hasher.hash(bytes, RECORD_HEADER_BYTES, keyLength);
    const previous = readUint53(bytes, recordPreviousAt);
    const lengths = packLengths(keyLength, valueLength);
    this.#index.add(
      sequence,
      offset,
      lengths,
      owner,
      hasher.low,
      hasher.high,
      previous,
      timeSeconds,
    );
  }

  #writeFrame(): void {
    if (this.#frame.length === 0) return;
    const { files, logId, id } = this.#options;
    const header = Buffer.alloc(FRAME_HEADER_BYTES);
    const facts = {
      ...{ logId, firstSequence: this.#first, lastSequence: this.#last },
      recordCount: this.#frame.length,
      payloadBytes: this.#frameBytes,
      durableTo: this.#last,
      flags: FRAME_COMPACTED,
    };
    const at = this.#segment.nextOffset;
    encodeFrameHeader(header, 0, facts, id, at);
    writeAll(files, this.#segment.fd, Buffer.concat([header, ...this.#frame]), at);
    this.#segment.nextOffset += FRAME_HEADER_BYTES + this.#frameBytes;
    this.#frame = [];
    this.#frameBytes = 0;
  }
}
