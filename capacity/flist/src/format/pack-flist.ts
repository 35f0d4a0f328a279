import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { promisify } from 'node:util';
import { errorCode, GridError } from '@commongrid/base';
import type { FlistErrorCode } from '../errors.ts';
import { flistBytesMax } from '../tree/tree-limits.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Metadata is packed once and fetched often; most of it, the hashes, does not shrink at all. */
const level = 9;

/** Bytes of output that zstd is given at a time. */
const outputBytes = 1024 * 1024;

/** Canonical bytes as they are kept and sent: a zstd frame. */
export async function packFlist(bytes: Uint8Array): Promise<Buffer> {
  const params = { [constants.ZSTD_c_compressionLevel]: level };
  return compress(bytes, { params, chunkSize: outputBytes, pledgedSrcSize: bytes.length });
}

/**
 * Undoes `packFlist`.
 * @throws FLIST_TOO_LARGE beyond 256 MiB, FLIST_CORRUPT
 */
export async function unpackFlist(packed: Uint8Array): Promise<Buffer> {
  try {
    return await decompress(packed, { maxOutputLength: flistBytesMax, chunkSize: outputBytes });
  } catch (error) {
    if (errorCode(error) === 'ERR_BUFFER_TOO_LARGE') {
      const message = `the flist is longer than ${flistBytesMax} bytes`;
      throw new GridError<FlistErrorCode>('FLIST_TOO_LARGE', message, { cause: error });
    }
    throw new GridError<FlistErrorCode>('FLIST_CORRUPT', 'this is no zstd frame of an flist', {
      hint: 'fetch it again',
      cause: error,
    });
  }
}
