import type { Domain } from '@commongrid/crypto/browser';
import { sha256 } from '@commongrid/crypto/browser';
import { bodyPreimage, makeBody, makeLeaf, recordDomain, saltBytes } from '../record/entry.ts';
import type { Entry } from '../record/entry.ts';
import { envelopeText } from '../record/envelope.ts';
import type { RecordOp, TreeHead } from '../record/envelope.ts';
import { toBase64url } from '../tree/base64.ts';

/** Whoever signs: a `SigningKey`, or a key that never leaves a device. */
export interface Signer {
  readonly publicKey: { readonly text: string };
  sign(domain: Domain, payload: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** What a record says, all its fields decided. */
export interface RecordFields {
  readonly log: string;
  readonly n: number;
  readonly ns: string;
  readonly op: RecordOp;
  readonly url: string;
  readonly obj: string;
  readonly prev: string | undefined;
  readonly schema: string | undefined;
  /** A head that its author saw. */
  readonly seen: TreeHead | undefined;
  /** Canonical JSON, or a sealed box; only with `put`. */
  readonly payload: Uint8Array | undefined;
}

/**
 * Signs a record where there may be no Node.
 * @throws BCDB_ENVELOPE_INVALID when a field is outside the grammar
 */
export async function signEntry(signer: Signer, fields: RecordFields): Promise<Entry> {
  const { log, n, ns, op, url, obj, prev, schema, seen, payload } = fields;
  const salt = crypto.getRandomValues(new Uint8Array(saltBytes));
  const body = payload === undefined ? undefined : makeBody(salt, payload);
  const text = envelopeText({
    author: signer.publicKey.text,
    ...(body === undefined ? {} : { body: toBase64url(sha256(bodyPreimage(body))) }),
    log,
    n,
    ns,
    obj,
    op,
    ...(prev === undefined ? {} : { prev }),
    ...(schema === undefined ? {} : { schema }),
    ...(seen === undefined ? {} : { seen: { size: seen.size, root: seen.root } }),
    t: Date.now(),
    url,
    v: 1,
  });
  const bytes = new TextEncoder().encode(text);
  return { leaf: makeLeaf(bytes, await signer.sign(recordDomain, bytes)), body };
}
