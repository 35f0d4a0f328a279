import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { ChunkHash } from '../ports.ts';

/**
 * Reads the name of a chunk that came from outside; such a name becomes part of a path or a URL.
 * @throws FLIST_HASH_INVALID
 */
export function parseChunkHash(text: string): ChunkHash {
  if (isHashText(text)) return text as ChunkHash;
  throw new GridError<FlistErrorCode>('FLIST_HASH_INVALID', 'a hash is 64 lowercase hex digits', {
    details: { length: text.length },
  });
}

export function isHashText(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
