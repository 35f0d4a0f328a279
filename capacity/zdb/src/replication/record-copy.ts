import { crc32 } from 'node:zlib';
import {
  keyLengthOf,
  packLengths,
  packOwner,
  RECORD_HEADER_BYTES,
  RecordKind,
  recordLengthsAt,
  recordOwnerAt,
  recordPreviousAt,
  recordSequenceAt,
  recordTimeAt,
  valueLengthOf,
  writeUint53,
} from '../engine/log/format.ts';
import { type LogRecord, recordIn } from '../engine/log/frame-reader.ts';
import type { StoredRecord } from '../engine/reading/history.ts';

/**
 * A record on its own: header, key and value as in the log, without padding. Its checksum begins with 0,
 * as it stands nowhere.
 */
export function encodeRecord(record: StoredRecord): Buffer {
  const { key, value } = record;
  const header = Buffer.alloc(RECORD_HEADER_BYTES);
  const kind = record.isDeletion ? RecordKind.delete : RecordKind.set;
  header.writeUInt32LE(packLengths(key.length, value.length), recordLengthsAt);
  header.writeUInt32LE(packOwner(record.namespaceId, kind), recordOwnerAt);
  header.writeUInt32LE(record.timeSeconds, recordTimeAt);
  writeUint53(header, record.sequence, recordSequenceAt);
  writeUint53(header, record.previous, recordPreviousAt);
  const bytes = Buffer.concat([header, key, value]);
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0);
  return bytes;
}

/** Undefined unless the bytes are one whole, sound record on its own. */
export function decodeRecord(bytes: Buffer): LogRecord | undefined {
  if (bytes.length < RECORD_HEADER_BYTES) return undefined;
  const lengths = bytes.readUInt32LE(recordLengthsAt);
  const length = RECORD_HEADER_BYTES + keyLengthOf(lengths) + valueLengthOf(lengths);
  if (bytes.length !== length || bytes.readUInt32LE(0) !== crc32(bytes.subarray(4)))
    return undefined;
  return recordIn(bytes, 0);
}
