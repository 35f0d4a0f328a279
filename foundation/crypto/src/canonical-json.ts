import { GridError, isGridError } from '@commongrid/base/browser';
import type { CryptoErrorCode } from './errors.ts';

/** What JSON can say. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Deepest nesting of arrays and objects. */
export const maxJsonDepth = 64;

/** Longest canonical text that `parseCanonical` reads unless told otherwise. */
export const maxCanonicalBytes = 16 * 2 ** 20;

/**
 * The one JSON text of a value (RFC 8785, JCS): no spaces, keys sorted by UTF-16 code units, numbers
 * and strings as ECMAScript writes them. Only what JSON can say is accepted; nothing is dropped or
 * converted on the way (an `undefined` member, a Date, a bigint are errors).
 * @throws CRYPTO_JSON_UNSUPPORTED with the place of the value in `details.path`
 */
export function canonicalText(value: unknown): string {
  return write(value, []);
}

/** The canonical text in UTF-8: what is signed, hashed, stored and sent. */
export function canonicalBytes(value: unknown): Uint8Array {
  return encoder.encode(canonicalText(value));
}

export interface ParseCanonicalOptions {
  /** Default `maxCanonicalBytes`. */
  readonly maxBytes?: number;
}

/**
 * Reads canonical bytes and nothing else: wrong UTF-8, spaces, other orders and spellings, double
 * keys are refused. So equal values have equal bytes, and a hash of received bytes is the hash of
 * the value.
 * @throws CRYPTO_JSON_NOT_CANONICAL, CRYPTO_TOO_LARGE
 */
export function parseCanonical(bytes: Uint8Array, options: ParseCanonicalOptions = {}): JsonValue {
  const { maxBytes = maxCanonicalBytes } = options;
  if (bytes.length > maxBytes) throw tooLarge(bytes.length, maxBytes);
  let text: string;
  let value: JsonValue;
  let canonical: string;
  try {
    text = utf8.decode(bytes);
    value = JSON.parse(text);
    canonical = canonicalText(value);
  } catch (error) {
    if (isGridError(error) || error instanceof SyntaxError || error instanceof TypeError) {
      throw notCanonical(error);
    }
    throw error;
  }
  // Also what finds double keys: JSON.parse keeps one, so the text written back is another.
  if (canonical !== text) throw notCanonical();
  return value;
}

const encoder = new TextEncoder();

/** A leading byte order mark stays in the text, where JSON.parse refuses it. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

type Path = (string | number)[];

function write(value: unknown, path: Path): string {
  switch (typeof value) {
    case 'string':
      return writeString(value, path);
    case 'number':
      if (!Number.isFinite(value)) throw unsupported(`${value} is no JSON number`, path);
      return JSON.stringify(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      return value === null ? 'null' : writeNested(value, path);
    case 'bigint':
    case 'function':
    case 'symbol':
    case 'undefined':
    default:
      throw unsupported(`a value of type ${typeof value} has no JSON form`, path);
  }
}

function writeNested(value: object, path: Path): string {
  if (path.length >= maxJsonDepth) throw unsupported(`deeper than ${maxJsonDepth} levels`, path);
  if (Array.isArray(value)) return writeArray(value, path);
  if (!isPlainObject(value)) throw unsupported('only plain objects have a JSON form', path);
  return writeObject(value, path);
}

function writeArray(items: readonly unknown[], path: Path): string {
  // Not map: it skips the holes of a sparse array, which have no JSON form.
  let text = '[';
  for (let index = 0; index < items.length; index++) {
    path.push(index);
    text += `${index === 0 ? '' : ','}${write(items[index], path)}`;
    path.pop();
  }
  return `${text}]`;
}

function writeObject(members: Readonly<Record<string, unknown>>, path: Path): string {
  // RFC 8785 sorts by UTF-16 code units, as `toSorted` does without a comparison.
  // oxlint-disable-next-line typescript/require-array-sort-compare
  const keys = Object.keys(members).toSorted();
  let text = '{';
  for (const key of keys) {
    path.push(key);
    const separator = text === '{' ? '' : ',';
    text += `${separator}${writeString(key, path)}:${write(members[key], path)}`;
    path.pop();
  }
  return `${text}}`;
}

/** Printable ASCII without quote and backslash: most keys and ids, and quicker than stringify. */
const plainText = /^[ !#-[\]-~]*$/;

/** JSON.stringify escapes just what RFC 8785 wants, and in its way, in well-formed strings. */
function writeString(text: string, path: Path): string {
  if (plainText.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw unsupported('a string with half of a surrogate pair', path);
  return JSON.stringify(text);
}

function isPlainObject(value: object): value is Readonly<Record<string, unknown>> {
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === Object.prototype || prototype === null;
  return isPlain && Object.getOwnPropertySymbols(value).length === 0;
}

function unsupported(reason: string, path: Path): GridError<CryptoErrorCode> {
  const place = path.length === 0 ? 'the value' : path.join('.');
  return new GridError('CRYPTO_JSON_UNSUPPORTED', `cannot write ${place}: ${reason}`, {
    details: { path: [...path] },
  });
}

function notCanonical(cause?: Error): GridError<CryptoErrorCode> {
  return new GridError('CRYPTO_JSON_NOT_CANONICAL', 'the bytes are not canonical JSON', { cause });
}

function tooLarge(sizeBytes: number, maxBytes: number): GridError<CryptoErrorCode> {
  return new GridError('CRYPTO_TOO_LARGE', `${sizeBytes} bytes of JSON, ${maxBytes} at most`, {
    details: { sizeBytes, maxBytes },
  });
}
