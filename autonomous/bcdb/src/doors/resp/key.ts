import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../../errors.ts';
import { isNamespaceName, isTypeUrl, nameLengths } from '../../record/envelope.ts';
import { systemUrls } from '../../record/system-records.ts';

/** What a key of the Redis door names. */
export type Key = LogKey | TypeKey | ObjectKey;

/** `log`, the whole log, or `NS:log`, the records of one namespace. */
export interface LogKey {
  readonly kind: 'log';
  readonly ns: string | undefined;
}

/** `NS:data:URL`: the objects of a type, as a hash. */
export interface TypeKey {
  readonly kind: 'type';
  readonly ns: string;
  readonly url: string;
}

/** `NS:data:URL/OBJ`, or `NS:schemas:URL`: one object, or the schema of a type, as a string. */
export interface ObjectKey {
  readonly kind: 'object' | 'schema';
  readonly ns: string;
  readonly url: string;
  readonly obj: string;
}

/** Longest key, characters. */
export const keyLengthMax =
  nameLengths.ns + ':schemas:'.length + nameLengths.url + 1 + nameLengths.obj;

/** What a text names as a key; undefined when that is nothing. */
export function parseKey(text: string): Key | undefined {
  if (text === 'log') return { kind: 'log', ns: undefined };
  if (text.length > keyLengthMax) return undefined;
  const { ns = '', kind, rest } = keyPattern.exec(text)?.groups ?? {};
  if (!isNamespaceName(ns)) return undefined;
  if (kind === 'log') return rest === undefined ? { kind, ns } : undefined;
  if (rest === undefined) return undefined;
  if (kind === 'schemas') {
    return isTypeUrl(rest) ? { kind: 'schema', ns, url: systemUrls.schema, obj: rest } : undefined;
  }
  const slash = rest.indexOf('/');
  const url = slash < 0 ? rest : rest.slice(0, slash);
  if (!isTypeUrl(url)) return undefined;
  if (slash < 0) return { kind: 'type', ns, url };
  return { kind: 'object', ns, url, obj: rest.slice(slash + 1) };
}

export function typeKey(ns: string, url: string): string {
  return `${ns}:data:${url}`;
}

export function schemaKey(ns: string, url: string): string {
  return `${ns}:schemas:${url}`;
}

export function logKey(ns: string): string {
  return `${ns}:log`;
}

export function keyInvalid(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_REQUEST_INVALID', 'this key names nothing that BCDB has', {
    hint: 'keys are NS:data:URL, NS:data:URL/ID, NS:schemas:URL, NS:log and log',
  });
}

const keyPattern = /^(?<ns>[^:]+):(?<kind>data|schemas|log)(?::(?<rest>.+))?$/;
