import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { GridError } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';
import { tagBytes } from './tlog-cipher.ts';

const magic = Buffer.from('ZTSN');
const formatVersion = 1;
const saltBytes = 32;
const headBytes = 8 + saltBytes;
/** Bytes of compressed tables that are sealed together. */
const segmentBytes = 1024 * 1024;

/** The file, compressed, then sealed segment by segment; the last one says that it is. */
export async function* sealFile(path: string, metadataKey: Uint8Array): AsyncGenerator<Buffer> {
  const head = Buffer.alloc(headBytes);
  magic.copy(head);
  head.writeUInt8(formatVersion, 4);
  randomBytes(saltBytes).copy(head, 8);
  yield head;
  const level = { [constants.ZSTD_c_compressionLevel]: 1 };
  const packed = createReadStream(path).pipe(createZstdCompress({ params: level }));
  const key = keyOf(metadataKey, head);
  let number = 0;
  for await (const { segment, isLast } of segmentsOf(packed, segmentBytes)) {
    const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number++, isLast));
    cipher.setAAD(head);
    yield Buffer.concat([cipher.update(segment), cipher.final(), cipher.getAuthTag()]);
  }
}

/** Writes the file of a sealed stream, synced. @throws ZSTOR_CATALOG_SNAPSHOT_CORRUPT */
export async function openFile(
  content: AsyncIterable<Uint8Array>,
  path: string,
  metadataKey: Uint8Array,
): Promise<void> {
  const packed = Readable.from(openSegments(content, metadataKey));
  try {
    await pipeline(packed, createZstdDecompress(), createWriteStream(path));
  } catch (cause) {
    throw cause instanceof GridError ? cause : corrupt('it does not unpack', cause);
  }
  const file = await open(path, 'r');
  await file.sync();
  await file.close();
}

async function* openSegments(
  content: AsyncIterable<Uint8Array>,
  metadataKey: Uint8Array,
): AsyncGenerator<Buffer> {
  let key: Buffer | undefined;
  let head: Buffer = Buffer.alloc(0);
  let number = 0;
  const pieces = segmentsOf(content, segmentBytes + tagBytes, headBytes);
  for await (const { segment, isLast } of pieces) {
    if (key === undefined) {
      head = segment;
      key = keyOf(metadataKey, checkHead(head));
      if (isLast) throw corrupt('it is cut');
      continue;
    }
    if (segment.length < tagBytes) throw corrupt('it is cut');
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(number++, isLast));
    decipher.setAAD(head);
    decipher.setAuthTag(segment.subarray(segment.length - tagBytes));
    const opened = decipher.update(segment.subarray(0, segment.length - tagBytes));
    try {
      decipher.final();
    } catch (cause) {
      throw corrupt('it is cut, changed, or of another key', cause);
    }
    yield opened;
  }
}

/** Cuts a stream anew; the first piece may have another size. There is always a last one. */
async function* segmentsOf(
  content: AsyncIterable<Uint8Array>,
  sizeBytes: number,
  firstBytes: number = sizeBytes,
): AsyncGenerator<{ segment: Buffer; isLast: boolean }> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  let wanted = firstBytes;
  for await (const part of content) {
    parts.push(part);
    bytes += part.length;
    // More than a whole segment is there: so this one is not the last.
    while (bytes > wanted) {
      const all = Buffer.concat(parts);
      yield { segment: all.subarray(0, wanted), isLast: false };
      parts = [all.subarray(wanted)];
      bytes -= wanted;
      wanted = sizeBytes;
    }
  }
  yield { segment: Buffer.concat(parts), isLast: true };
}

function checkHead(head: Buffer): Buffer {
  if (head.length < headBytes || !head.subarray(0, 4).equals(magic)) throw corrupt('it is none');
  const version = head.readUInt8(4);
  if (version !== formatVersion) throw corrupt(`format ${version} is unknown`);
  return head;
}

function keyOf(metadataKey: Uint8Array, head: Buffer): Buffer {
  const salt = head.subarray(8);
  return Buffer.from(hkdfSync('sha256', metadataKey, salt, 'commongrid/zstor-snapshot/1', 32));
}

function nonceOf(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt8(isLast ? 1 : 0, 7);
  nonce.writeUInt32BE(number, 8);
  return nonce;
}

function corrupt(why: string, cause?: unknown): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_CATALOG_SNAPSHOT_CORRUPT', `a snapshot cannot be read: ${why}`, {
    hint: 'the former snapshot and the log have the same',
    cause,
  });
}
