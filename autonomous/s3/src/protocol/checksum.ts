import { createHash, hash } from 'node:crypto';

import { crc32 } from '@commongrid/base';

import { combineCrcs } from './crc-combine.ts';
import type { CombinableCrc } from './crc-combine.ts';
import { crc32c, crc64nvme, crc64Start } from './crc.ts';
import type { Crc64 } from './crc.ts';
import { S3Error } from './s3-error.ts';

/** Checksums of S3, and the bytes of each. */
export const checksumBytes = { CRC32: 4, CRC32C: 4, CRC64NVME: 8, SHA1: 20, SHA256: 32 } as const;
export type ChecksumAlgorithm = keyof typeof checksumBytes;
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

export const checksumAlgorithms = Object.keys(checksumBytes) as readonly ChecksumAlgorithm[];

/** A checksum as it is stored and echoed; `value` is base64, of composite ones with `-PARTS`. */
export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly value: string;
}

/** A checksum that is computed while bytes pass. */
export interface ChecksumStream {
  update(bytes: Uint8Array): void;
  digest(): Buffer;
}

export function checksumStream(algorithm: ChecksumAlgorithm): ChecksumStream {
  return streams[algorithm]();
}

const streams: Readonly<Record<ChecksumAlgorithm, () => ChecksumStream>> = {
  CRC32: () => crcStream(crc32),
  CRC32C: () => crcStream(crc32c),
  CRC64NVME: crc64Stream,
  SHA1: () => createHash('sha1'),
  SHA256: () => createHash('sha256'),
};

/** `x-amz-checksum-crc32` for CRC32. */
export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

/** The algorithm of such a header; undefined for others, as x-amz-checksum-mode. */
export function algorithmOfHeader(name: string): ChecksumAlgorithm | undefined {
  if (!name.startsWith('x-amz-checksum-')) return undefined;
  return parseAlgorithm(name.slice('x-amz-checksum-'.length));
}

/** The algorithm of a name in any case. */
export function parseAlgorithm(name: string): ChecksumAlgorithm | undefined {
  const upper = name.toUpperCase();
  return checksumAlgorithms.find((algorithm) => algorithm === upper);
}

/** @throws S3Error InvalidRequest when `value` is no base64 of as many bytes as it must have */
export function parseChecksum(algorithm: ChecksumAlgorithm, value: string): Checksum {
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length !== checksumBytes[algorithm] || bytes.toString('base64') !== value) {
    throw new S3Error(
      'InvalidRequest',
      `Value for ${checksumHeader(algorithm)} header is invalid.`,
    );
  }
  return { algorithm, value };
}

/** A part of a multipart upload, for the checksum of the whole. */
export interface PartChecksum {
  /** Base64. */
  readonly value: string;
  readonly sizeBytes: number;
}

/** The checksum of the parts' checksums, with their count behind it. */
export function compositeChecksum(
  algorithm: ChecksumAlgorithm,
  parts: readonly PartChecksum[],
): string {
  const stream = checksumStream(algorithm);
  for (const { value } of parts) stream.update(Buffer.from(value, 'base64'));
  return `${stream.digest().toString('base64')}-${parts.length}`;
}

/** The checksum of all bytes of all parts, from the parts' CRCs alone. */
export function fullObjectChecksum(
  algorithm: CombinableCrc,
  parts: readonly PartChecksum[],
): string {
  let crc = crc64Start;
  for (const { value, sizeBytes } of parts) {
    crc = combineCrcs(algorithm, crc, crcOf(Buffer.from(value, 'base64')), sizeBytes);
  }
  return crcBytes(crc)
    .subarray(8 - checksumBytes[algorithm])
    .toString('base64');
}

/** Of 4 bytes or of 8. */
function crcOf(bytes: Buffer): Crc64 {
  const high = bytes.length === 8 ? bytes.readInt32BE(0) : 0;
  return { high, low: bytes.readInt32BE(bytes.length - 4) };
}

function crcBytes({ high, low }: Crc64): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeInt32BE(high, 0);
  bytes.writeInt32BE(low, 4);
  return bytes;
}

/**
 * The ETag of a multipart object, without quotes: MD5 of the parts' MD5s, and their count.
 * @param partMd5s in hex
 */
export function multipartEtag(partMd5s: readonly string[]): string {
  const all = Buffer.from(partMd5s.join(''), 'hex');
  return `${hash('md5', all, 'hex')}-${partMd5s.length}`;
}

function crcStream(run: (bytes: Uint8Array, seed: number) => number): ChecksumStream {
  let crc = 0;
  return {
    update: (bytes) => {
      crc = run(bytes, crc);
    },
    digest: () => {
      const digest = Buffer.alloc(4);
      digest.writeUInt32BE(crc);
      return digest;
    },
  };
}

function crc64Stream(): ChecksumStream {
  let crc: Crc64 = crc64Start;
  return {
    update: (bytes) => {
      crc = crc64nvme(bytes, crc);
    },
    digest: () => crcBytes(crc),
  };
}
