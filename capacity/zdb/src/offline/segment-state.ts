import type { Files } from '@commongrid/files';
import {
  keyLengthOf,
  namespaceOf,
  RECORD_HEADER_BYTES,
  readUint53,
  recordLengthsAt,
  recordOwnerAt,
} from '../engine/log/format.ts';
import type { KeyHasher } from '../engine/keys/key-hash.ts';
import type { ManifestSegment } from '../engine/log/manifest.ts';
import { Segment } from '../engine/log/segment.ts';
import { inspectSegment } from './inspect-segment.ts';
import type { IndexState, InspectedStretch } from './inspect-segment.ts';

/** What repair must know of a segment file; small, whatever the file's size. */
export interface SegmentState {
  readonly id: number;
  readonly path: string;
  readonly firstSequence: number;
  /** Last sound record; firstSequence - 1 when there is none. */
  readonly lastRecord: number;
  readonly records: number;
  readonly fileBytes: number;
  readonly isHeaderSound: boolean;
  readonly isCompacted: boolean;
  readonly stretches: readonly InspectedStretch[];
  readonly indexState: IndexState;
  readonly durableTo: number;
  /** What the manifest says of it, where there is one. */
  readonly line: ManifestSegment | undefined;
}

export interface StateContext {
  readonly files: Files;
  readonly logId: bigint;
  readonly hasher: KeyHasher;
  /** Receives every sound record. */
  readonly onRecord: (bytes: Buffer, at: number) => void;
}

/** Reads a segment to its last byte. */
export function readState(
  context: StateContext,
  file: { readonly id: number; readonly path: string; readonly firstSequence: number },
  line: ManifestSegment | undefined,
): SegmentState {
  const { files, logId, hasher, onRecord } = context;
  const segment = new Segment(files, { ...file, slot: 1 });
  try {
    const leastBytes = line?.bytes ?? 0;
    const found = inspectSegment(files, segment, logId, hasher, leastBytes, onRecord);
    const { header, scan, stretches, indexState, isCompacted } = found;
    const isHeaderSound =
      header !== undefined && header.segmentId === file.id && header.logId === logId;
    return {
      ...{ id: file.id, path: file.path, firstSequence: file.firstSequence },
      lastRecord: scan.lastSequence,
      records: scan.index.count,
      fileBytes: scan.fileBytes,
      ...{ isHeaderSound, isCompacted, stretches, indexState, line },
      durableTo: scan.durableTo,
    };
  } finally {
    segment.close();
  }
}

/** Largest 8-byte key of each namespace, as a number: the last id of a sequential one. */
export class LargestIds {
  readonly #ids = new Map<number, number>();

  readonly take = (bytes: Buffer, at: number): void => {
    if (keyLengthOf(bytes.readUInt32LE(at + recordLengthsAt)) !== 8) return;
    const id = readUint53(bytes, at + RECORD_HEADER_BYTES);
    const namespaceId = namespaceOf(bytes.readUInt32LE(at + recordOwnerAt));
    if (id > (this.#ids.get(namespaceId) ?? -1)) this.#ids.set(namespaceId, id);
  };

  of(namespaceId: number): number {
    return this.#ids.get(namespaceId) ?? -1;
  }
}
