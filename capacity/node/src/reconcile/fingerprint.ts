import { canonicalHash } from '@commongrid/crypto';
import type { Wish } from './wish.ts';

/** What a wish comes to: equal ones need nothing to be done. Of secrets their hash, not the text. */
export function fingerprintOf(wish: Wish): string {
  if (wish.is !== 'running') return `${wish.is} ${wish.revision}`;
  const { secrets, revision: _revision, ...rest } = wish.assignment;
  const values = Object.fromEntries(secrets);
  const hashed = canonicalHash({ rest, values });
  return hashed.toBase64({ alphabet: 'base64url', omitPadding: true });
}
