import type { Request } from '@commongrid/resp';
import { isGridError } from '@commongrid/base';
import { readAsync } from '@commongrid/files';
import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  keyLengthOf,
  kindOf,
  readUint53,
  RECORD_HEADER_BYTES,
  recordBytes,
  recordCrcAt,
  RecordKind,
  recordLengthsAt,
  recordOwnerAt,
  recordPreviousAt,
  recordSequenceAt,
  recordTimeAt,
  SEGMENT_HEADER_BYTES,
  valueLengthOf,
} from '../../engine/log/format.ts';
import { checkRecord } from '../../engine/reading/record-reader.ts';
import type { Segment } from '../../engine/log/segment.ts';
import type { Store } from '../../engine/store.ts';
import type { ZdbErrorCode } from '../../errors.ts';
import type { CommandDefinition } from '../command.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Session } from '../session.ts';

export const rawCommands: readonly CommandDefinition[] = [
  {
    name: 'DATA',
    access: 'open',
    isAdmin: true,
    least: 3,
    most: 3,
    summary: 'DATA RAW segment offset: the record, of any namespace, that stands there.',
    run: raw,
  },
];

async function raw(session: Session, request: Request): Promise<void> {
  const { store } = session;
  const segmentId = request.integer(2);
  const offset = request.integer(3);
  if (!request.is(1, 'RAW')) return session.refuse(replyTexts.invalidArguments);
  const segment = store.table.segments.find(({ id }) => id === segmentId);
  if (segment === undefined || offset === undefined || offset < SEGMENT_HEADER_BYTES) {
    return session.refuse(replyTexts.invalidRequest);
  }
  if (offset >= segment.writtenOffset) return session.refuse('EOF');
  if (offset % 8 !== 0) return session.refuse(replyTexts.invalidRequest);
  const record = await readRecord(store, segment, offset);
  return typeof record === 'string' ? session.refuse(record) : answer(session, record);
}

/** Reads and verifies the record; at the head of a frame its first one. A text is the error. */
async function readRecord(store: Store, segment: Segment, from: number): Promise<Buffer | string> {
  const end = segment.writtenOffset;
  const fd = segment.hold();
  const read = async (at: number, length: number): Promise<Buffer> => {
    const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, end - at)));
    const got = await readAsync(store.table.files, fd, bytes, 0, bytes.length, at);
    return bytes.subarray(0, got);
  };
  try {
    const head = await read(from, FRAME_HEADER_BYTES + RECORD_HEADER_BYTES);
    const isFrame = decodeFrameHeader(head, 0, store.table.logId, segment.id, from) !== undefined;
    const skipped = isFrame ? FRAME_HEADER_BYTES : 0;
    if (head.length < skipped + RECORD_HEADER_BYTES) return replyTexts.invalidRequest;
    const lengths = head.readUInt32LE(skipped + recordLengthsAt);
    const offset = from + skipped;
    const size = recordBytes(keyLengthOf(lengths), valueLengthOf(lengths));
    if (offset + size > end) return replyTexts.invalidRequest;
    const record = await read(offset, size);
    checkRecord(record, 0, record.length, segment, offset, lengths);
    return record;
  } catch (error) {
    // Whether the place or the record is wrong cannot be told; that is scrub's affair.
    if (isGridError<ZdbErrorCode>(error, 'ZDB_READ_FAILED')) return replyTexts.invalidRequest;
    return 'Unexpected Internal Error';
  } finally {
    segment.release();
  }
}

/** [key, :previous, crc, :flags, :timestamp, payload or nil]; previous is a sequence. */
function answer(session: Session, record: Buffer): void {
  const { reply } = session.connection;
  const lengths = record.readUInt32LE(recordLengthsAt);
  const keyEnd = RECORD_HEADER_BYTES + keyLengthOf(lengths);
  const isValue = kindOf(record.readUInt32LE(recordOwnerAt)) === RecordKind.set;
  session.reveal(readUint53(record, recordSequenceAt));
  reply.array(6);
  reply.bulk(record, RECORD_HEADER_BYTES, keyLengthOf(lengths));
  reply.integer(readUint53(record, recordPreviousAt));
  reply.bulkText(`0x${record.readUInt32LE(recordCrcAt).toString(16).padStart(8, '0')}`);
  reply.integer(isValue ? 0 : 1);
  reply.integer(record.readUInt32LE(recordTimeAt));
  if (isValue) reply.bulk(record, keyEnd, valueLengthOf(lengths));
  else reply.nil();
}
