import { isUtf8 } from 'node:buffer';

import { parseIsoDate } from './dates.ts';
import { Query } from './query.ts';
import { S3Error } from './s3-error.ts';

/** User metadata of an object: names without their prefix, and values, bytes of UTF-8. */
const userMetadataBytesMax = 2048;
/** Tags of an object. */
const objectTagsMax = 10;
/** Characters of a tag's key. */
const tagKeyLengthMax = 128;
/** Characters of a tag's value. */
const tagValueLengthMax = 256;

const userPrefix = 'x-amz-meta-';
const systemHeaders = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
] as const;
/** Letters, digits and spaces of any script, and some marks, as AWS allows. */
const tagText = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

export type SystemHeader = (typeof systemHeaders)[number];
export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** What an upload says about the object that it makes. */
export interface ObjectHeaders {
  readonly system: Readonly<Partial<Record<SystemHeader, string>>>;
  /** By names in lower case without `x-amz-meta-`. */
  readonly user: Readonly<Record<string, string>>;
  readonly tags: readonly (readonly [key: string, value: string])[];
  readonly lock: ObjectLock | undefined;
  readonly legalHold: boolean | undefined;
}

export interface ObjectLock {
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE';
  readonly retainUntilMs: number;
}

/**
 * Reads the headers of PutObject, CopyObject and CreateMultipartUpload.
 * @throws S3Error MetadataTooLarge, InvalidTag, InvalidArgument
 */
export function readObjectHeaders(headers: Headers): ObjectHeaders {
  const tagging = text(headers, 'x-amz-tagging');
  return {
    system: systemOf(headers),
    user: userOf(headers),
    tags: tagging === undefined ? [] : parseTagging(tagging),
    lock: lockOf(headers),
    legalHold: legalHoldOf(headers),
  };
}

/**
 * Tags as the x-amz-tagging header has them, in the form of a query.
 * @throws S3Error InvalidArgument, InvalidTag
 */
function parseTagging(header: string): ObjectHeaders['tags'] {
  const { entries } = Query.parse(header);
  checkTags(entries, objectTagsMax);
  return entries;
}

/** @throws S3Error InvalidTag */
export function checkTags(tags: ObjectHeaders['tags'], tagsMax: number): void {
  if (tags.length > tagsMax) {
    throw new S3Error('InvalidTag', `There cannot be more than ${tagsMax} tags.`);
  }
  const keys = new Set<string>();
  for (const [key, value] of tags) {
    if (key === '' || key.length > tagKeyLengthMax || !tagText.test(key)) {
      throw new S3Error('InvalidTag', 'The TagKey you have provided is invalid.');
    }
    if (value.length > tagValueLengthMax || !tagText.test(value)) {
      throw new S3Error('InvalidTag', 'The TagValue you have provided is invalid.');
    }
    if (keys.has(key)) {
      throw new S3Error('InvalidTag', 'Cannot provide multiple Tags with the same key.');
    }
    keys.add(key);
  }
}

/** A header's value as a text: clients send UTF-8, which node:http gives as latin1. */
export function headerText(value: string): string {
  const bytes = Buffer.from(value, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : value;
}

/** A text as the value of a header: the bytes of its UTF-8. */
export function headerValue(value: string): string {
  return Buffer.from(value, 'utf8').toString('latin1');
}

function systemOf(headers: Headers): ObjectHeaders['system'] {
  const system: Partial<Record<SystemHeader, string>> = {};
  for (const name of systemHeaders) {
    const value = text(headers, name);
    if (value === undefined) continue;
    // aws-chunked is about the transport, not about the object.
    const kept = name === 'content-encoding' ? withoutChunked(value) : value;
    if (kept !== '') system[name] = headerText(kept);
  }
  return system;
}

function withoutChunked(value: string): string {
  if (!value.toLowerCase().includes('aws-chunked')) return value;
  return value
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding.toLowerCase() !== 'aws-chunked')
    .join(',');
}

function userOf(headers: Headers): Readonly<Record<string, string>> {
  let entries: [string, string][] | undefined;
  let size = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(userPrefix) || value === undefined) continue;
    const key = name.slice(userPrefix.length);
    const raw = Array.isArray(value) ? value.join(',') : value;
    size += key.length + raw.length;
    entries ??= [];
    entries.push([key, headerText(raw)]);
  }
  if (size > userMetadataBytesMax) {
    throw new S3Error('MetadataTooLarge', undefined, {
      elements: { Size: String(size), MaxSizeAllowed: String(userMetadataBytesMax) },
    });
  }
  return entries === undefined ? {} : Object.fromEntries(entries);
}

function lockOf(headers: Headers): ObjectLock | undefined {
  const mode = text(headers, 'x-amz-object-lock-mode');
  const until = text(headers, 'x-amz-object-lock-retain-until-date');
  if (mode === undefined && until === undefined) return undefined;
  if (mode === undefined || until === undefined) {
    throw new S3Error(
      'InvalidArgument',
      'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied.',
    );
  }
  if (mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') {
    throw new S3Error('InvalidArgument', 'Unknown wormMode directive.');
  }
  const retainUntilMs = parseIsoDate(until);
  if (retainUntilMs === undefined) {
    throw new S3Error('InvalidArgument', 'The retain until date must be in ISO 8601 format.');
  }
  return { mode, retainUntilMs };
}

function legalHoldOf(headers: Headers): boolean | undefined {
  const value = text(headers, 'x-amz-object-lock-legal-hold');
  if (value === undefined) return undefined;
  if (value !== 'ON' && value !== 'OFF') {
    throw new S3Error('InvalidArgument', 'Legal Hold must be either of ON or OFF.');
  }
  return value === 'ON';
}

function text(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}
