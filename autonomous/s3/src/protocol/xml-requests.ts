import { parseAlgorithm, parseChecksum } from './checksum.ts';
import type { Checksum } from './checksum.ts';
import { parseIsoDate } from './dates.ts';
import { checkTags } from './object-headers.ts';
import type { ObjectHeaders, ObjectLock } from './object-headers.ts';
import { S3Error } from './s3-error.ts';
import { readXml } from './xml-reader.ts';
import type { XmlElement } from './xml-reader.ts';

/** Objects of one DeleteObjects. */
const deletedObjectsMax = 1000;
/** Parts of one upload. */
const partsMax = 10_000;
/** Longest retention by default, days: a hundred years. */
const retentionDaysMax = 36_500;

export interface ObjectToDelete {
  readonly key: string;
  readonly versionId: string | undefined;
  readonly etag: string | undefined;
}

/** The document of DeleteObjects. */
export function parseDelete(bytes: Buffer): {
  readonly isQuiet: boolean;
  readonly objects: readonly ObjectToDelete[];
} {
  const root = rootOf(bytes, 'Delete');
  const listed = childrenOf(root, 'Object');
  if (listed.length === 0 || listed.length > deletedObjectsMax) throw malformed();
  const objects = listed.map((element) => ({
    key: required(element, 'Key'),
    versionId: textOf(element, 'VersionId'),
    etag: textOf(element, 'ETag'),
  }));
  return { isQuiet: textOf(root, 'Quiet')?.toLowerCase() === 'true', objects };
}

export interface CompletedPart {
  readonly number: number;
  /** Without quotes. */
  readonly etag: string;
  readonly checksum: Checksum | undefined;
}

/**
 * The document of CompleteMultipartUpload.
 * @throws S3Error MalformedXML, InvalidPartOrder
 */
export function parseComplete(bytes: Buffer): readonly CompletedPart[] {
  const listed = childrenOf(rootOf(bytes, 'CompleteMultipartUpload'), 'Part');
  if (listed.length === 0 || listed.length > partsMax) throw malformed();
  let before = 0;
  return listed.map((element) => {
    const number = parsePartNumber(required(element, 'PartNumber'));
    if (number === undefined) throw malformed();
    if (number <= before) throw new S3Error('InvalidPartOrder');
    before = number;
    const etag = required(element, 'ETag').replace(/^"|"$/g, '');
    return { number, etag, checksum: checksumOf(element) };
  });
}

/** 1 to 10,000, of a query or a document; undefined for anything else. */
export function parsePartNumber(text: string): number | undefined {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return number >= 1 && number <= partsMax ? number : undefined;
}

/**
 * The region of CreateBucket; undefined when the body is empty or does not say.
 * @throws S3Error NotImplemented for what else can be said there
 */
export function parseLocation(bytes: Buffer): string | undefined {
  if (bytes.length === 0) return undefined;
  const root = rootOf(bytes, 'CreateBucketConfiguration');
  const other = root.children.find(({ name }) => name !== 'LocationConstraint');
  if (other !== undefined) {
    throw new S3Error('NotImplemented', `${other.name} of a new bucket is not implemented.`);
  }
  return textOf(root, 'LocationConstraint');
}

/** The document of PutBucketVersioning. */
export function parseVersioning(bytes: Buffer): 'Enabled' | 'Suspended' {
  const root = rootOf(bytes, 'VersioningConfiguration');
  if (textOf(root, 'MfaDelete') === 'Enabled') {
    throw new S3Error('NotImplemented', 'MfaDelete is not implemented.');
  }
  return oneOf(required(root, 'Status'), ['Enabled', 'Suspended']);
}

/** The document of PutObjectTagging and PutBucketTagging. */
export function parseTags(bytes: Buffer, tagsMax: number): ObjectHeaders['tags'] {
  const set = childOf(rootOf(bytes, 'Tagging'), 'TagSet');
  if (set === undefined) throw malformed();
  const tags = childrenOf(set, 'Tag').map((tag): readonly [string, string] => [
    required(tag, 'Key'),
    textOf(tag, 'Value') ?? '',
  ]);
  checkTags(tags, tagsMax);
  return tags;
}

/** The document of PutObjectRetention; undefined takes the retention away. */
export function parseRetention(bytes: Buffer): ObjectLock | undefined {
  const root = rootOf(bytes, 'Retention');
  const mode = textOf(root, 'Mode');
  const until = textOf(root, 'RetainUntilDate');
  if (mode === undefined && until === undefined) return undefined;
  const retainUntilMs = parseIsoDate(until ?? '');
  if (retainUntilMs === undefined) throw malformed();
  return { mode: oneOf(mode ?? '', ['GOVERNANCE', 'COMPLIANCE']), retainUntilMs };
}

/** The document of PutObjectLegalHold. */
export function parseLegalHold(bytes: Buffer): boolean {
  return oneOf(required(rootOf(bytes, 'LegalHold'), 'Status'), ['ON', 'OFF']) === 'ON';
}

export interface DefaultRetention {
  readonly mode: ObjectLock['mode'];
  readonly days: number | undefined;
  readonly years: number | undefined;
}

/** The document of PutObjectLockConfiguration; undefined for no default retention. */
export function parseObjectLock(bytes: Buffer): DefaultRetention | undefined {
  const root = rootOf(bytes, 'ObjectLockConfiguration');
  if (required(root, 'ObjectLockEnabled') !== 'Enabled') throw malformed();
  const rule = childOf(root, 'Rule');
  if (rule === undefined) return undefined;
  const retention = childOf(rule, 'DefaultRetention');
  if (retention === undefined) throw malformed();
  const days = countOf(retention, 'Days', retentionDaysMax);
  const years = countOf(retention, 'Years', Math.floor(retentionDaysMax / 365));
  if ((days === undefined) === (years === undefined)) throw malformed();
  return { mode: oneOf(required(retention, 'Mode'), ['GOVERNANCE', 'COMPLIANCE']), days, years };
}

/**
 * The document of PutBucketEncryption: everything is always encrypted with AES256.
 * @throws S3Error NotImplemented for keys of a key service
 */
export function checkEncryption(bytes: Buffer): void {
  const rules = childrenOf(rootOf(bytes, 'ServerSideEncryptionConfiguration'), 'Rule');
  const [rule] = rules;
  const chosen = rule && childOf(rule, 'ApplyServerSideEncryptionByDefault');
  if (rules.length !== 1 || chosen === undefined) throw malformed();
  if (required(chosen, 'SSEAlgorithm') !== 'AES256') {
    throw new S3Error('NotImplemented', 'The only encryption is AES256.');
  }
}

/** @throws S3Error MalformedXML when the document is not one of `name` */
export function rootOf(bytes: Buffer, name: string): XmlElement {
  if (bytes.length === 0) throw new S3Error('MissingRequestBodyError');
  const root = readXml(bytes);
  if (root.name !== name) throw malformed();
  return root;
}

export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name);
}

/** @throws S3Error MalformedXML when there are two */
export function childOf(element: XmlElement, name: string): XmlElement | undefined {
  const [first, second] = childrenOf(element, name);
  if (second !== undefined) throw malformed();
  return first;
}

/** The text of a child, as it stands there: keys may begin and end with spaces. */
export function textOf(element: XmlElement, name: string): string | undefined {
  const child = childOf(element, name);
  if (child !== undefined && child.children.length > 0) throw malformed();
  return child?.text;
}

/** @throws S3Error MalformedXML when the child is missing or empty */
export function required(element: XmlElement, name: string): string {
  const text = textOf(element, name);
  if (text === undefined || text === '') throw malformed();
  return text;
}

/** A number from 1 to `max`; undefined when it is not there. */
export function countOf(element: XmlElement, name: string, max: number): number | undefined {
  const text = textOf(element, name);
  if (text === undefined) return undefined;
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > max) throw malformed();
  return count;
}

/** @throws S3Error MalformedXML when `text` is none of them */
export function oneOf<T extends string>(text: string, allowed: readonly T[]): T {
  const found = allowed.find((value) => value === text);
  if (found === undefined) throw malformed();
  return found;
}

function checksumOf(part: XmlElement): Checksum | undefined {
  for (const child of part.children) {
    if (!child.name.startsWith('Checksum')) continue;
    const algorithm = parseAlgorithm(child.name.slice('Checksum'.length));
    if (algorithm !== undefined) return parseChecksum(algorithm, child.text);
  }
  return undefined;
}

function malformed(): S3Error {
  return new S3Error('MalformedXML');
}
