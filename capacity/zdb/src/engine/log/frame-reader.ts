import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  keyLengthOf,
  RECORD_HEADER_BYTES,
  readUint53,
  recordBytes,
  recordLengthsAt,
  recordOwnerAt,
  recordPreviousAt,
  recordSequenceAt,
  recordTimeAt,
  valueLengthOf,
} from './format.ts';
import { soundRecord } from './segment-scan.ts';

/** Where bytes of a log stand: checksums cover it. */
export interface LogPlace {
  readonly logId: bigint;
  readonly segmentId: number;
  readonly offset: number;
}

/** A record in a buffer; the value follows the key. */
export interface LogRecord {
  readonly sequence: number;
  readonly owner: number;
  readonly timeSeconds: number;
  readonly previous: number;
  readonly bytes: Buffer;
  readonly keyStart: number;
  readonly keyLength: number;
  readonly valueLength: number;
}

/** Header of the frame at `at`, when the frame is there whole and every checksum is right. */
export function soundFrameAt(bytes: Buffer, at: number, place: LogPlace): FrameHeader | undefined {
  const { logId, segmentId, offset } = place;
  const header = decodeFrameHeader(bytes, at, logId, segmentId, offset);
  if (header === undefined) return undefined;
  const end = at + FRAME_HEADER_BYTES + header.payloadBytes;
  if (end > bytes.length) return undefined;
  let position = at + FRAME_HEADER_BYTES;
  let last = header.firstSequence - 1;
  for (let i = 0; i < header.recordCount; i++) {
    const next = soundRecord(bytes, position, end, segmentId, offset + position - at);
    if (next < 0) return undefined;
    const sequence = readUint53(bytes, position + recordSequenceAt);
    if (sequence <= last) return undefined;
    last = sequence;
    position = next;
  }
  return position === end && last === header.lastSequence ? header : undefined;
}

/** The records of a sound frame. */
export function* recordsOf(bytes: Buffer, at: number, header: FrameHeader): Generator<LogRecord> {
  let position = at + FRAME_HEADER_BYTES;
  for (let i = 0; i < header.recordCount; i++) {
    const record = recordIn(bytes, position);
    yield record;
    position += recordBytes(record.keyLength, record.valueLength);
  }
}

/** Reads the record at `at`, which was checked before. */
export function recordIn(bytes: Buffer, at: number): LogRecord {
  const lengths = bytes.readUInt32LE(at + recordLengthsAt);
  return {
    sequence: readUint53(bytes, at + recordSequenceAt),
    owner: bytes.readUInt32LE(at + recordOwnerAt),
    timeSeconds: bytes.readUInt32LE(at + recordTimeAt),
    previous: readUint53(bytes, at + recordPreviousAt),
    bytes,
    keyStart: at + RECORD_HEADER_BYTES,
    keyLength: keyLengthOf(lengths),
    valueLength: valueLengthOf(lengths),
  };
}
