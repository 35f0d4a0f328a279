import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

import { errorCode, GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';

/** Bytes of a piece of a file. */
const pieceBytes = 256 * 1024;

export interface FileRange {
  readonly offset: number;
  readonly sizeBytes: number;
}

/**
 * Reads a regular file, or a part of it, in pieces.
 * @param what names it in errors
 * @throws FLIST_IMAGE_ABSENT when it is missing, FLIST_FILE_UNREADABLE
 */
export async function* readFileRange(
  path: string,
  what: string,
  range?: FileRange,
): AsyncGenerator<Uint8Array, void, void> {
  // Whoever made the folder may have put a fifo there: opening it must not wait.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  const handle = await open(path, flags).catch((error: unknown) => {
    throw unreadable(path, what, error);
  });
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw unreadable(path, what, undefined);
    const end = range === undefined ? Infinity : range.offset + range.sizeBytes;
    for (let at = range?.offset ?? 0; at < end;) {
      // Each piece has memory of its own: streams behind it read ahead.
      const buffer = Buffer.allocUnsafeSlow(Math.min(pieceBytes, end - at));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

function unreadable(path: string, what: string, cause: unknown): GridError<FlistErrorCode> {
  if (errorCode(cause) === 'ENOENT') {
    return new GridError('FLIST_IMAGE_ABSENT', `there is no ${what}`, {
      hint: 'see whether the path is right and all of the image is there',
      details: { path },
      cause,
    });
  }
  const why = cause === undefined ? 'it is no file' : String(errorCode(cause));
  return new GridError('FLIST_FILE_UNREADABLE', `${what} cannot be read: ${why}`, {
    details: { path },
    ...(cause === undefined ? {} : { cause }),
  });
}
