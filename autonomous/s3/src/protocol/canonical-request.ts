import { hash } from 'node:crypto';

import type { Query } from './query.ts';
import { uriEncode } from './uri-encoding.ts';

/** What of a request goes into its signature. */
export interface SignedParts {
  readonly method: string;
  /** Decoded: it is escaped again, so that clients may escape more or less than AWS does. */
  readonly path: string;
  readonly query: Query;
  /** As node:http has them: name, value, name, value. */
  readonly rawHeaders: readonly string[];
  /** In lower case, in the order of the signature. */
  readonly signedHeaders: readonly string[];
  readonly payloadHash: string;
}

/**
 * SHA-256 of the canonical request, in hex. A header that was signed and did not come counts as
 * absent, which gives a hash that no client signs.
 * Source: "Create a signed AWS API request", with the rules for S3: the path is escaped once and
 * not normalized.
 */
export function canonicalHash(parts: SignedParts): string {
  // Headers are latin1 in node:http: in that encoding the hash is over the bytes that were sent.
  return hash('sha256', Buffer.from(canonicalRequest(parts), 'latin1'), 'hex');
}

/** The text that is hashed; see `canonicalHash`. */
export function canonicalRequest(parts: SignedParts): string {
  const values = headerValues(parts.rawHeaders, parts.signedHeaders);
  let headers = '';
  for (const name of parts.signedHeaders) {
    const found = values.get(name);
    if (found !== undefined) headers += `${name}:${found}\n`;
  }
  return (
    `${parts.method}\n${uriEncode(parts.path, true)}\n${canonicalQuery(parts.query)}\n` +
    `${headers}\n${parts.signedHeaders.join(';')}\n${parts.payloadHash}`
  );
}

function canonicalQuery({ entries }: Query): string {
  if (entries.length === 0) return '';
  const pairs: [string, string][] = [];
  for (const [name, value] of entries) {
    if (name !== 'X-Amz-Signature') pairs.push([uriEncode(name), uriEncode(value)]);
  }
  // Escaped texts are ASCII, so that the order of strings is that of bytes.
  pairs.sort((left, right) => order(left[0], right[0]) || order(left[1], right[1]));
  return pairs.map(([name, value]) => `${name}=${value}`).join('&');
}

function order(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function headerValues(
  rawHeaders: readonly string[],
  signedHeaders: readonly string[],
): ReadonlyMap<string, string> {
  const wanted = new Set(signedHeaders);
  const values = new Map<string, string>();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase();
    if (!wanted.has(name)) continue;
    // Not `trim`, for which the last byte of an à in UTF-8, 0xA0, is a space.
    const value = (rawHeaders[index + 1] ?? '').replace(/[ \t]+/g, spaceOf);
    const before = values.get(name);
    values.set(name, before === undefined ? value : `${before},${value}`);
  }
  return values;
}

/** Spaces at the ends go, several in between become one. */
function spaceOf(spaces: string, at: number, value: string): string {
  if (at === 0 || at + spaces.length === value.length) return '';
  return spaces.length === 1 ? spaces : ' ';
}
