import { hash } from 'node:crypto';
import { systemRandom } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';
import { bodyPreimage, makeBody, makeLeaf, recordDomain, saltBytes } from './entry.ts';
import type { Entry } from './entry.ts';
import { envelopeText } from './envelope.ts';
import type { Envelope, RecordOp, TreeHead } from './envelope.ts';

/** What an author says of one object. */
export interface Statement {
  readonly ns: string;
  readonly op: RecordOp;
  readonly url: string;
  readonly obj: string;
  readonly prev?: string | undefined;
  readonly schema?: string | undefined;
  readonly seen?: TreeHead | undefined;
  /** Canonical JSON, or a sealed box; only with `put`. */
  readonly payload?: Uint8Array | undefined;
}

export interface SignRecordOptions {
  /** Hash of the genesis, base64url. */
  readonly log: string;
  /** Counter of this key's record: one more than its last. */
  readonly n: number;
  /** The author's clock, milliseconds since 1970. */
  readonly t: number;
  /** Source of the salt. */
  readonly random?: Random;
}

/**
 * Signs a statement as a record.
 * @throws BCDB_ENVELOPE_INVALID when a field is outside the grammar
 */
export function signRecord(
  key: SigningKey,
  statement: Statement,
  { log, n, t, random = systemRandom }: SignRecordOptions,
): Entry {
  const { ns, op, url, obj, prev, schema, seen, payload } = statement;
  const body = payload === undefined ? undefined : makeBody(random.bytes(saltBytes), payload);
  const envelope: Envelope = {
    author: key.publicKey.text,
    ...(body === undefined ? {} : { body: hash('sha256', bodyPreimage(body), 'base64url') }),
    log,
    n,
    ns,
    obj,
    op,
    ...(prev === undefined ? {} : { prev }),
    ...(schema === undefined ? {} : { schema }),
    ...(seen === undefined ? {} : { seen }),
    t,
    url,
    v: 1,
  };
  const bytes = new TextEncoder().encode(envelopeText(envelope));
  return { leaf: makeLeaf(bytes, key.sign(recordDomain, bytes)), body };
}
