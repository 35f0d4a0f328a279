import { parseBasicDate } from '../protocol/dates.ts';
import type { S3Request } from '../protocol/s3-request.ts';

/** What policies can ask about a request. */
export interface ConditionFacts {
  readonly query: S3Request['query'];
  readonly headers: S3Request['headers'];
  readonly remoteAddress: string;
  /** Whether the bytes came encrypted. */
  readonly isSecure: boolean;
  readonly nowMs: number;
  /** undefined for anonymous requests. */
  readonly user: { readonly name: string; readonly id: string } | undefined;
}

export type KeyKind = 'string' | 'number' | 'date' | 'bool' | 'ip';

export interface ConditionKey {
  readonly kind: KeyKind;
  /** Dates in milliseconds; undefined when the request has no such value. */
  readonly valueOf: (facts: ConditionFacts) => string | undefined;
}

const text = (valueOf: ConditionKey['valueOf']): ConditionKey => ({ kind: 'string', valueOf });
const header = (name: string): ConditionKey => text((facts) => headerOf(facts, name));
const parameter = (name: string): ConditionKey => text(({ query }) => query.get(name));
const now: ConditionKey = { kind: 'date', valueOf: ({ nowMs }) => String(nowMs) };

/** By names in lower case: AWS tells no case apart. */
const keys: ReadonlyMap<string, ConditionKey> = new Map([
  ['aws:currenttime', now],
  ['aws:epochtime', now],
  ['aws:securetransport', { kind: 'bool', valueOf: ({ isSecure }) => String(isSecure) }],
  ['aws:sourceip', { kind: 'ip', valueOf: ({ remoteAddress }) => remoteAddress || undefined }],
  ['aws:useragent', header('user-agent')],
  ['aws:referer', header('referer')],
  ['aws:username', text(({ user }) => user?.name)],
  ['aws:userid', text(({ user }) => user?.id)],
  ['s3:prefix', parameter('prefix')],
  ['s3:delimiter', parameter('delimiter')],
  ['s3:max-keys', { kind: 'number', valueOf: ({ query }) => query.get('max-keys') }],
  ['s3:versionid', parameter('versionId')],
  ['s3:x-amz-acl', header('x-amz-acl')],
  ['s3:x-amz-content-sha256', header('x-amz-content-sha256')],
  ['s3:x-amz-copy-source', header('x-amz-copy-source')],
  ['s3:x-amz-metadata-directive', header('x-amz-metadata-directive')],
  ['s3:x-amz-server-side-encryption', header('x-amz-server-side-encryption')],
  ['s3:x-amz-storage-class', header('x-amz-storage-class')],
  ['s3:authtype', text(authType)],
  ['s3:signatureversion', text((facts) => authType(facts) && 'AWS4-HMAC-SHA256')],
  ['s3:signatureage', { kind: 'number', valueOf: signatureAge }],
]);

/** Undefined for keys of AWS that cannot be answered here: a policy with one is refused. */
export function conditionKey(name: string): ConditionKey | undefined {
  return keys.get(name.toLowerCase());
}

function headerOf({ headers }: ConditionFacts, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

function authType({ user, query }: ConditionFacts): string | undefined {
  if (user === undefined) return undefined;
  return query.has('X-Amz-Signature') ? 'REST-QUERY-STRING' : 'REST-HEADER';
}

/** Milliseconds since the request was signed. */
function signatureAge(facts: ConditionFacts): string | undefined {
  if (facts.user === undefined) return undefined;
  const signed = facts.query.get('X-Amz-Date') ?? headerOf(facts, 'x-amz-date');
  const signedMs = signed === undefined ? undefined : parseBasicDate(signed);
  return signedMs === undefined ? undefined : String(Math.max(0, facts.nowMs - signedMs));
}
