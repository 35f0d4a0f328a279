import { GridError } from '@commongrid/base/browser';
import type { BcdbErrorCode } from '../errors.ts';

/** What a record does to its object. */
export type RecordOp = 'put' | 'del' | 'erase';

/**
 * The signed part of a record. Its bytes are one canonical JSON text (RFC 8785), and those exact
 * bytes are signed, hashed and stored. Hashes are base64url without padding, keys `ed25519:…`.
 */
export interface Envelope {
  /** Who signs: the text of an Ed25519 key. */
  readonly author: string;
  /** Hash of salt and payload (`bodyHash`); absent where a record carries no payload. */
  readonly body?: string;
  /** Hash of the genesis: a record of one log is none in another. */
  readonly log: string;
  /** Counts the records of this author in this log: 1, 2, 3 … */
  readonly n: number;
  /** Namespace. */
  readonly ns: string;
  /** Id of the object inside its namespace and url. */
  readonly obj: string;
  readonly op: RecordOp;
  /** Version of the object that this record follows (`leafHash`); absent for a new object. */
  readonly prev?: string;
  /** Hash of the schema that the payload keeps to; absent for the urls that BCDB itself knows. */
  readonly schema?: string;
  /** A head of the log that the author saw; the record has no effect in a log that lacks it. */
  readonly seen?: TreeHead;
  /** The author's clock, milliseconds since 1970. A claim, never judged by. */
  readonly t: number;
  /** Type of the object: `name.of.type.1`. */
  readonly url: string;
  readonly v: 1;
}

/** Size and Merkle root (base64url) of the log at some moment. */
export interface TreeHead {
  readonly root: string;
  readonly size: number;
}

/**
 * Longest names, characters. An object id of a type that BCDB does not know itself has
 * `objectIdLengthMax` at most, so that the ids of access lists and policies can name it.
 */
export const nameLengths = { ns: 64, url: 96, obj: 256 } as const;

/** Longest id of an object under a user's type, characters. */
const objectIdLengthMax = 128;

/** Longest envelope, bytes: its fields have largest lengths, so it cannot be longer. */
export const envelopeBytesMax = 1200;

/**
 * The canonical text of an envelope.
 * @throws BCDB_ENVELOPE_INVALID
 */
export function envelopeText(envelope: Envelope): string {
  const { author, body, log, n, ns, obj, op, prev, schema, seen, t, url } = envelope;
  const text = [
    `{"author":"${author}"`,
    body === undefined ? '' : `,"body":"${body}"`,
    `,"log":"${log}","n":${n},"ns":"${ns}","obj":"${obj}","op":"${op}"`,
    prev === undefined ? '' : `,"prev":"${prev}"`,
    schema === undefined ? '' : `,"schema":"${schema}"`,
    seen === undefined ? '' : `,"seen":{"root":"${seen.root}","size":${seen.size}}`,
    `,"t":${t},"url":"${url}","v":1}`,
  ].join('');
  if (!grammar.test(text)) throw invalid('a field is outside the grammar of an envelope');
  return text;
}

/**
 * Reads the one text of an envelope; any other spelling of the same fields is refused. The fields
 * hold no character that JSON escapes, so one regular expression is the whole grammar.
 * @throws BCDB_ENVELOPE_INVALID
 */
export function parseEnvelope(text: string): Envelope {
  const fields = text.length <= envelopeBytesMax ? grammar.exec(text)?.groups : undefined;
  if (fields === undefined) throw invalid('this is no envelope in its canonical form');
  const { author, body, log, ns, obj, op, prev, schema, seenRoot, seenSize, url } = fields;
  const [n, t] = [Number(fields['n']), Number(fields['t'])];
  const size = Number(seenSize ?? 0);
  if (!Number.isSafeInteger(n) || !Number.isSafeInteger(t) || !Number.isSafeInteger(size)) {
    throw invalid('a number is above 2^53 - 1');
  }
  return {
    author: author ?? '',
    ...(body === undefined ? {} : { body }),
    log: log ?? '',
    n,
    ns: ns ?? '',
    obj: obj ?? '',
    op: op as RecordOp,
    ...(prev === undefined ? {} : { prev }),
    ...(schema === undefined ? {} : { schema }),
    ...(seenRoot === undefined ? {} : { seen: { root: seenRoot, size } }),
    t,
    url: url ?? '',
    v: 1,
  };
}

/** Whether a text can name an object. */
export function isObjectId(text: string): boolean {
  return text.length <= objectIdLengthMax && objPattern.test(text);
}

/** Whether a text can name a namespace. */
export function isNamespaceName(text: string): boolean {
  return nsPattern.test(text);
}

/** Whether a text can be the url of a type. */
export function isTypeUrl(text: string): boolean {
  return urlPattern.test(text);
}

/** 32 bytes as base64url: the last of 43 characters has two bits that must be zero. */
const hash = '[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]';
const count = '(?:0|[1-9][0-9]{0,15})';
const ns = `[a-z0-9][a-z0-9._-]{0,${nameLengths.ns - 1}}`;
const obj = `[A-Za-z0-9_][A-Za-z0-9._:/@+-]{0,${nameLengths.obj - 1}}`;
const url = `(?=[a-z0-9.-]{3,${nameLengths.url}}")[a-z][a-z0-9-]*(?:\\.[a-z0-9-]+)*\\.[1-9][0-9]{0,5}`;

const nsPattern = new RegExp(`^${ns}$`);
const objPattern = new RegExp(`^${obj}$`);
const urlPattern = new RegExp(`^${url.replace('")', '$)')}$`);

const grammar = new RegExp(
  [
    `^\\{"author":"(?<author>ed25519:${hash})"`,
    `(?:,"body":"(?<body>${hash})")?`,
    `,"log":"(?<log>${hash})"`,
    `,"n":(?<n>[1-9][0-9]{0,15})`,
    `,"ns":"(?<ns>${ns})"`,
    `,"obj":"(?<obj>${obj})"`,
    `,"op":"(?<op>put|del|erase)"`,
    `(?:,"prev":"(?<prev>${hash})")?`,
    `(?:,"schema":"(?<schema>${hash})")?`,
    `(?:,"seen":\\{"root":"(?<seenRoot>${hash})","size":(?<seenSize>${count})\\})?`,
    `,"t":(?<t>${count})`,
    `,"url":"(?<url>${url})"`,
    `,"v":1\\}$`,
  ].join(''),
);

function invalid(message: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_ENVELOPE_INVALID', message, {
    hint: 'build it with the client library, or compare it with docs/formats/bcdb-record.md',
  });
}
