import { parseIsoDate } from './dates.ts';
import { S3Error } from './s3-error.ts';
import { childOf, childrenOf, countOf, oneOf, required, rootOf, textOf } from './xml-requests.ts';
import type { XmlElement } from './xml-reader.ts';
import type { XmlNode } from './xml-writer.ts';

/** Rules of one CORS configuration, as at AWS. */
const corsRulesMax = 100;
/** Rules of one lifecycle configuration, as at AWS. */
const lifecycleRulesMax = 1000;
/** Longest term of a lifecycle rule, days. */
const lifecycleDaysMax = 2_147_483_647;
/** Longest identifier of a rule, characters. */
const ruleIdLengthMax = 255;

const corsMethods = ['GET', 'PUT', 'HEAD', 'POST', 'DELETE'] as const;

export interface CorsRule {
  readonly id: string | undefined;
  readonly methods: readonly (typeof corsMethods)[number][];
  /** With one asterisk at most. */
  readonly origins: readonly string[];
  readonly headers: readonly string[];
  readonly exposed: readonly string[];
  readonly maxAgeSeconds: number | undefined;
}

/** The document of PutBucketCors. */
export function parseCors(bytes: Buffer): readonly CorsRule[] {
  const rules = childrenOf(rootOf(bytes, 'CORSConfiguration'), 'CORSRule');
  if (rules.length === 0 || rules.length > corsRulesMax) throw malformed();
  return rules.map((rule) => {
    const methods = texts(rule, 'AllowedMethod').map((name) => corsMethod(name));
    const origins = texts(rule, 'AllowedOrigin');
    const headers = texts(rule, 'AllowedHeader');
    if (methods.length === 0 || origins.length === 0) throw malformed();
    for (const pattern of [...origins, ...headers]) {
      if (pattern.split('*').length > 2) {
        throw new S3Error('InvalidRequest', `${pattern} can not have more than one wildcard.`);
      }
    }
    const age = textOf(rule, 'MaxAgeSeconds');
    if (age !== undefined && !/^\d{1,9}$/.test(age)) throw malformed();
    return {
      id: ruleId(rule),
      methods,
      origins,
      headers,
      exposed: texts(rule, 'ExposeHeader'),
      maxAgeSeconds: age === undefined ? undefined : Number(age),
    };
  });
}

/** The answer of GetBucketCors. */
export function corsNodes(rules: readonly CorsRule[]): readonly XmlNode[] {
  return rules.map((rule): XmlNode => [
    'CORSRule',
    [
      ['ID', rule.id],
      ...rule.headers.map((value): XmlNode => ['AllowedHeader', value]),
      ...rule.methods.map((value): XmlNode => ['AllowedMethod', value]),
      ...rule.origins.map((value): XmlNode => ['AllowedOrigin', value]),
      ...rule.exposed.map((value): XmlNode => ['ExposeHeader', value]),
      ['MaxAgeSeconds', rule.maxAgeSeconds],
    ],
  ]);
}

/** What a lifecycle rule is about; all of it must hold. */
export interface LifecycleFilter {
  readonly prefix: string;
  readonly tags: readonly (readonly [key: string, value: string])[];
  readonly sizeBytesAbove: number | undefined;
  readonly sizeBytesBelow: number | undefined;
}

export interface LifecycleRule {
  readonly id: string | undefined;
  readonly isEnabled: boolean;
  readonly filter: LifecycleFilter;
  readonly expirationDays: number | undefined;
  readonly expirationMs: number | undefined;
  /** Delete markers with nothing behind them go. */
  readonly expiresMarkers: boolean;
  readonly noncurrentDays: number | undefined;
  /** So many newer noncurrent versions stay. */
  readonly noncurrentKept: number | undefined;
  readonly abortUploadDays: number | undefined;
}

/**
 * The document of PutBucketLifecycleConfiguration.
 * @throws S3Error NotImplemented for transitions: there is one storage class
 */
export function parseLifecycle(bytes: Buffer): readonly LifecycleRule[] {
  const rules = childrenOf(rootOf(bytes, 'LifecycleConfiguration'), 'Rule');
  if (rules.length === 0 || rules.length > lifecycleRulesMax) throw malformed();
  return rules.map(parseRule);
}

function parseRule(rule: XmlElement): LifecycleRule {
  for (const name of ['Transition', 'NoncurrentVersionTransition']) {
    if (childrenOf(rule, name).length > 0) {
      throw new S3Error('NotImplemented', `${name} is not implemented.`);
    }
  }
  const expiration = childOf(rule, 'Expiration');
  const noncurrent = childOf(rule, 'NoncurrentVersionExpiration');
  const abort = childOf(rule, 'AbortIncompleteMultipartUpload');
  requireKnown(rule, ruleElements);
  requireKnown(expiration, ['Days', 'Date', 'ExpiredObjectDeleteMarker']);
  requireKnown(noncurrent, ['NoncurrentDays', 'NewerNoncurrentVersions']);
  requireKnown(abort, ['DaysAfterInitiation']);
  const date = expiration && textOf(expiration, 'Date');
  const expirationMs = date === undefined ? undefined : parseIsoDate(date);
  if (date !== undefined && (expirationMs === undefined || expirationMs % 86_400_000 !== 0)) {
    throw new S3Error('InvalidArgument', "'Date' must be at midnight GMT");
  }
  const days = (element: XmlElement | undefined, name: string): number | undefined =>
    element && countOf(element, name, lifecycleDaysMax);
  const parsed: LifecycleRule = {
    id: ruleId(rule),
    isEnabled: oneOf(required(rule, 'Status'), ['Enabled', 'Disabled']) === 'Enabled',
    filter: filterOf(rule),
    expirationDays: days(expiration, 'Days'),
    expirationMs,
    expiresMarkers: (expiration && textOf(expiration, 'ExpiredObjectDeleteMarker')) === 'true',
    noncurrentDays: days(noncurrent, 'NoncurrentDays'),
    noncurrentKept: noncurrent && countOf(noncurrent, 'NewerNoncurrentVersions', 100),
    abortUploadDays: days(abort, 'DaysAfterInitiation'),
  };
  checkRule(parsed, expiration !== undefined, noncurrent !== undefined, abort !== undefined);
  return parsed;
}

const ruleElements = [
  ...['ID', 'Status', 'Filter', 'Prefix', 'Expiration', 'NoncurrentVersionExpiration'],
  'AbortIncompleteMultipartUpload',
];
const filterElements = ['Prefix', 'Tag', 'ObjectSizeGreaterThan', 'ObjectSizeLessThan'];

/** An element that is passed over could mean that less is to be deleted. */
function requireKnown(element: XmlElement | undefined, names: readonly string[]): void {
  if (element?.children.some(({ name }) => !names.includes(name)) === true) throw malformed();
}

/** Each action says when, and there is one at least. */
function checkRule(rule: LifecycleRule, expires: boolean, ages: boolean, aborts: boolean): void {
  const { expirationDays, expirationMs, expiresMarkers, filter } = rule;
  const ways = [expirationDays !== undefined, expirationMs !== undefined, expiresMarkers];
  if (expires && ways.filter(Boolean).length !== 1) throw malformed();
  if (ages && rule.noncurrentDays === undefined) throw malformed();
  if (aborts && rule.abortUploadDays === undefined) throw malformed();
  if (!expires && !ages && !aborts) throw malformed();
  const { tags, sizeBytesAbove, sizeBytesBelow } = filter;
  const isNarrow = tags.length > 0 || sizeBytesAbove !== undefined || sizeBytesBelow !== undefined;
  // Neither uploads nor markers have tags or a size.
  if (isNarrow && (aborts || expiresMarkers)) {
    const what = aborts ? 'AbortIncompleteMultipartUpload' : 'ExpiredObjectDeleteMarker';
    throw new S3Error('InvalidRequest', `${what} cannot be specified with Tags or sizes`);
  }
}

/** Conditions stand in Filter, in And inside it, or, as of old, as a Prefix of the rule. */
function filterOf(rule: XmlElement): LifecycleFilter {
  const filter = childOf(rule, 'Filter');
  const and = filter && childOf(filter, 'And');
  requireKnown(filter, [...filterElements, 'And']);
  requireKnown(and, filterElements);
  // Side by side, one of two conditions might be meant by whoever wrote them.
  if (filter !== undefined && filter.children.length > 1) throw malformed();
  if (filter !== undefined && childOf(rule, 'Prefix') !== undefined) throw malformed();
  const place = and ?? filter ?? rule;
  const size = (name: string): number | undefined => {
    const text = textOf(place, name);
    if (text !== undefined && !/^\d{1,15}$/.test(text)) throw malformed();
    return text === undefined ? undefined : Number(text);
  };
  return {
    prefix: textOf(place, 'Prefix') ?? '',
    tags: childrenOf(place, 'Tag').map((tag) => [required(tag, 'Key'), textOf(tag, 'Value') ?? '']),
    sizeBytesAbove: size('ObjectSizeGreaterThan'),
    sizeBytesBelow: size('ObjectSizeLessThan'),
  };
}

/** The answer of GetBucketLifecycleConfiguration. */
export function lifecycleNodes(rules: readonly LifecycleRule[]): readonly XmlNode[] {
  return rules.map((rule): XmlNode => {
    const { expirationDays, expirationMs, expiresMarkers, noncurrentDays, noncurrentKept } = rule;
    const expires = expirationDays !== undefined || expirationMs !== undefined || expiresMarkers;
    const date = expirationMs === undefined ? undefined : new Date(expirationMs).toISOString();
    return [
      'Rule',
      [
        expires
          ? [
              'Expiration',
              [
                ['Days', expirationDays],
                ['Date', date],
                ['ExpiredObjectDeleteMarker', expiresMarkers || undefined],
              ],
            ]
          : undefined,
        ['ID', rule.id],
        ['Filter', filterNodes(rule.filter)],
        ['Status', rule.isEnabled ? 'Enabled' : 'Disabled'],
        noncurrentDays === undefined
          ? undefined
          : [
              'NoncurrentVersionExpiration',
              [
                ['NoncurrentDays', noncurrentDays],
                ['NewerNoncurrentVersions', noncurrentKept],
              ],
            ],
        rule.abortUploadDays === undefined
          ? undefined
          : ['AbortIncompleteMultipartUpload', [['DaysAfterInitiation', rule.abortUploadDays]]],
      ],
    ];
  });
}

function filterNodes(filter: LifecycleFilter): readonly XmlNode[] {
  const nodes: XmlNode[] = [];
  if (filter.prefix !== '') nodes.push(['Prefix', filter.prefix]);
  for (const [key, value] of filter.tags) {
    nodes.push([
      'Tag',
      [
        ['Key', key],
        ['Value', value],
      ],
    ]);
  }
  if (filter.sizeBytesAbove !== undefined) {
    nodes.push(['ObjectSizeGreaterThan', filter.sizeBytesAbove]);
  }
  if (filter.sizeBytesBelow !== undefined)
    nodes.push(['ObjectSizeLessThan', filter.sizeBytesBelow]);
  if (nodes.length === 0) return [['Prefix', '']];
  return nodes.length === 1 ? nodes : [['And', nodes]];
}

function corsMethod(name: string): (typeof corsMethods)[number] {
  const method = corsMethods.find((known) => known === name);
  if (method === undefined) {
    throw new S3Error(
      'InvalidRequest',
      `Found unsupported HTTP method in CORS config. Unsupported method is ${name}`,
    );
  }
  return method;
}

function ruleId(rule: XmlElement): string | undefined {
  const id = textOf(rule, 'ID');
  if (id !== undefined && id.length > ruleIdLengthMax) {
    throw new S3Error('InvalidArgument', 'ID length should not exceed allowed limit of 255');
  }
  return id;
}

function texts(element: XmlElement, name: string): readonly string[] {
  return childrenOf(element, name).map(({ text }) => text);
}

function malformed(): S3Error {
  return new S3Error('MalformedXML');
}
