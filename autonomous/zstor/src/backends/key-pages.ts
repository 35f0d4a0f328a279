import { throwIfAborted } from '@commongrid/base';
import type { Reply } from '@commongrid/resp';
import type { Backend } from './backend.ts';

/** A key that a backend has, and the length of its value. */
export interface StoredKey {
  readonly key: Buffer;
  readonly valueBytes: number;
}

/** Some keys of a backend, and where to go on; the last page has no cursor. */
export interface KeyPage {
  readonly keys: readonly StoredKey[];
  readonly cursor: Uint8Array | undefined;
}

/**
 * All keys of a backend that begin with `prefix`, page by page, in the order in which they were written. A
 * key that is there from the first page to the last is met at least once.
 * @throws ZSTOR_BACKEND_FAILED, ZSTOR_BACKEND_REFUSED, ZSTOR_BACKEND_BUSY, BASE_ABORTED
 */
export async function* keyPages(
  backend: Pick<Backend, 'scan'>,
  prefix = '',
  signal?: AbortSignal,
): AsyncGenerator<readonly StoredKey[], void> {
  let cursor: Uint8Array | undefined;
  do {
    throwIfAborted(signal);
    const page = await backend.scan(prefix, cursor);
    yield page.keys;
    cursor = page.cursor;
  } while (cursor !== undefined);
}

/** Reads the answer to SCAN: `[cursor, [[key, length, time]...]]`. */
export function keyPageOf(reply: Reply): KeyPage {
  const [cursor, rows] = Array.isArray(reply) ? reply : [];
  if (!Buffer.isBuffer(cursor) || !Array.isArray(rows)) return { keys: [], cursor: undefined };
  const keys = rows.flatMap((row): StoredKey[] => {
    const [key, valueBytes] = Array.isArray(row) ? row : [];
    return Buffer.isBuffer(key) ? [{ key, valueBytes: Number(valueBytes) }] : [];
  });
  return { keys, cursor };
}
