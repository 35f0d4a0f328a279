import type { Store } from '../engine/store.ts';
import {
  decodeTerms,
  encodeTerms,
  FIRST_TERMS,
  lastTerm,
  type TermHistory,
  termsUpTo,
} from './terms.ts';

/** The history of masterships is a record of the system namespace: it is replicated like any other. */
const TERMS_KEY = Buffer.from('terms');

/** What the log itself says. */
export function ownTerms(store: Store): TermHistory {
  const stored = store.getSystem(TERMS_KEY);
  return (stored && decodeTerms(stored.toString('latin1'))) ?? FIRST_TERMS;
}

/**
 * What is known of the part of the log that is here. While a first copy comes in, the record may stand
 * further on than what it tells of: what the source said counts then.
 */
export function seenTerms(store: Store, told: TermHistory): TermHistory {
  const own = ownTerms(store);
  const history = told.length > 0 && lastTerm(told) >= lastTerm(own) ? told : own;
  return termsUpTo(history, store.log.lastSequence);
}

/** Writes the history; it is on disk when this resolves. */
export async function writeTerms(store: Store, history: TermHistory): Promise<void> {
  const value = Buffer.from(encodeTerms(history));
  const record = Buffer.concat([TERMS_KEY, value]);
  const keyLength = TERMS_KEY.length;
  const { system } = store.namespaces;
  const now = store.nowSeconds();
  const written = store.set(system, record, 0, keyLength, keyLength, value.length, now);
  if (written !== 'written') throw new Error(`the terms could not be written: ${written}`);
  await store.log.flush();
}
