import type { ChecksumAlgorithm, ChecksumType } from './checksum.ts';
import { isoDate } from './dates.ts';
import { uriEncode } from './uri-encoding.ts';
import { writeXml } from './xml-writer.ts';
import type { XmlNode } from './xml-writer.ts';

/** Who owns all: there is one account. */
export interface Owner {
  readonly id: string;
  readonly name: string;
}

export interface ListedBucket {
  readonly name: string;
  readonly createdMs: number;
}

export interface ListedObject {
  readonly key: string;
  readonly modifiedMs: number;
  /** Without quotes. */
  readonly etag: string;
  readonly sizeBytes: number;
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType };
}

export interface ListedVersion extends Partial<Omit<ListedObject, 'key' | 'modifiedMs'>> {
  readonly key: string;
  readonly modifiedMs: number;
  readonly versionId: string;
  readonly isLatest: boolean;
  readonly isMarker: boolean;
}

/** What all lists of a bucket have in common. */
interface ListPage {
  readonly bucket: string;
  readonly prefix: string;
  readonly delimiter: string | undefined;
  readonly max: number;
  readonly isTruncated: boolean;
  readonly commonPrefixes: readonly string[];
  /** `url` where the client asked for it: keys can hold what XML has no character for. */
  readonly encoding: 'url' | undefined;
}

export interface ObjectPage extends ListPage {
  readonly objects: readonly ListedObject[];
  /** Present in pages that tell the owner of every object. */
  readonly owner?: Owner;
}

/** The answer of ListBuckets. A page that is not the last one has a token for the next. */
export function listBucketsDocument(
  owner: Owner,
  buckets: readonly ListedBucket[],
  page: { readonly prefix?: string | undefined; readonly nextToken?: string | undefined } = {},
): string {
  return writeXml('ListAllMyBucketsResult', [
    [
      'Buckets',
      buckets.map(({ name, createdMs }): XmlNode => [
        'Bucket',
        [
          ['Name', name],
          ['CreationDate', isoDate(createdMs)],
        ],
      ]),
    ],
    ownerNode(owner),
    ['ContinuationToken', page.nextToken],
    ['Prefix', page.prefix],
  ]);
}

/** The answer of ListObjects. */
export function listObjectsDocument(
  page: ObjectPage & { readonly marker: string; readonly nextMarker: string | undefined },
): string {
  const text = encoder(page);
  return writeXml('ListBucketResult', [
    ['Name', page.bucket],
    ['Prefix', text(page.prefix)],
    ['Marker', text(page.marker)],
    ['NextMarker', optional(page.nextMarker, text)],
    ['MaxKeys', page.max],
    ['Delimiter', optional(page.delimiter, text)],
    ['IsTruncated', page.isTruncated],
    ['EncodingType', page.encoding],
    ...objectNodes(page, text),
    ...prefixNodes(page, text),
  ]);
}

/** The answer of ListObjectsV2. Tokens are the caller's: they are not escaped. */
export function listObjectsV2Document(
  page: ObjectPage & {
    readonly startAfter: string | undefined;
    readonly token: string | undefined;
    readonly nextToken: string | undefined;
  },
): string {
  const text = encoder(page);
  return writeXml('ListBucketResult', [
    ['Name', page.bucket],
    ['Prefix', text(page.prefix)],
    ['StartAfter', optional(page.startAfter, text)],
    ['ContinuationToken', page.token],
    ['NextContinuationToken', page.nextToken],
    ['KeyCount', page.objects.length + page.commonPrefixes.length],
    ['MaxKeys', page.max],
    ['Delimiter', optional(page.delimiter, text)],
    ['IsTruncated', page.isTruncated],
    ['EncodingType', page.encoding],
    ...objectNodes(page, text),
    ...prefixNodes(page, text),
  ]);
}

/** The answer of ListObjectVersions. */
export function listVersionsDocument(
  page: ListPage & {
    readonly versions: readonly ListedVersion[];
    readonly owner: Owner;
    readonly keyMarker: string;
    readonly versionMarker: string;
    readonly nextKeyMarker: string | undefined;
    readonly nextVersionMarker: string | undefined;
  },
): string {
  const text = encoder(page);
  return writeXml('ListVersionsResult', [
    ['Name', page.bucket],
    ['Prefix', text(page.prefix)],
    ['KeyMarker', text(page.keyMarker)],
    ['VersionIdMarker', page.versionMarker],
    ['NextKeyMarker', optional(page.nextKeyMarker, text)],
    ['NextVersionIdMarker', page.nextVersionMarker],
    ['MaxKeys', page.max],
    ['Delimiter', optional(page.delimiter, text)],
    ['IsTruncated', page.isTruncated],
    ['EncodingType', page.encoding],
    ...page.versions.map((version) => versionNode(version, page.owner, text)),
    ...prefixNodes(page, text),
  ]);
}

export interface ListedUpload {
  readonly key: string;
  readonly uploadId: string;
  readonly startedMs: number;
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType };
}

/** The answer of ListMultipartUploads. */
export function listUploadsDocument(
  page: ListPage & {
    readonly uploads: readonly ListedUpload[];
    readonly owner: Owner;
    readonly keyMarker: string;
    readonly uploadMarker: string;
    readonly nextKeyMarker: string | undefined;
    readonly nextUploadMarker: string | undefined;
  },
): string {
  const text = encoder(page);
  return writeXml('ListMultipartUploadsResult', [
    ['Bucket', page.bucket],
    ['KeyMarker', text(page.keyMarker)],
    ['UploadIdMarker', page.uploadMarker],
    ['NextKeyMarker', optional(page.nextKeyMarker, text)],
    ['NextUploadIdMarker', page.nextUploadMarker],
    ['Prefix', text(page.prefix)],
    ['Delimiter', optional(page.delimiter, text)],
    ['EncodingType', page.encoding],
    ['MaxUploads', page.max],
    ['IsTruncated', page.isTruncated],
    ...page.uploads.map(({ key, uploadId, startedMs, checksum }): XmlNode => [
      'Upload',
      [
        ['Key', text(key)],
        ['UploadId', uploadId],
        ownerNode(page.owner, 'Initiator'),
        ownerNode(page.owner),
        ['StorageClass', 'STANDARD'],
        ['Initiated', isoDate(startedMs)],
        ['ChecksumAlgorithm', checksum?.algorithm],
        ['ChecksumType', checksum?.type],
      ],
    ]),
    ...prefixNodes(page, text),
  ]);
}

export function ownerNode({ id, name }: Owner, element: 'Owner' | 'Initiator' = 'Owner'): XmlNode {
  return [
    element,
    [
      ['ID', id],
      ['DisplayName', name],
    ],
  ];
}

function objectNodes(page: ObjectPage, text: (key: string) => string): readonly XmlNode[] {
  return page.objects.map(({ key, modifiedMs, etag, sizeBytes, checksum }) => [
    'Contents',
    [
      ['Key', text(key)],
      ['LastModified', isoDate(modifiedMs)],
      ['ETag', `"${etag}"`],
      ['ChecksumAlgorithm', checksum?.algorithm],
      ['ChecksumType', checksum?.type],
      ['Size', sizeBytes],
      page.owner === undefined ? undefined : ownerNode(page.owner),
      ['StorageClass', 'STANDARD'],
    ],
  ]);
}

function versionNode(version: ListedVersion, owner: Owner, text: (key: string) => string): XmlNode {
  const { key, versionId, isLatest, modifiedMs, etag, sizeBytes, checksum } = version;
  const common: readonly XmlNode[] = [
    ['Key', text(key)],
    ['VersionId', versionId],
    ['IsLatest', isLatest],
    ['LastModified', isoDate(modifiedMs)],
  ];
  if (version.isMarker) return ['DeleteMarker', [...common, ownerNode(owner)]];
  return [
    'Version',
    [
      ...common,
      ['ETag', `"${etag ?? ''}"`],
      ['ChecksumAlgorithm', checksum?.algorithm],
      ['ChecksumType', checksum?.type],
      ['Size', sizeBytes],
      ownerNode(owner),
      ['StorageClass', 'STANDARD'],
    ],
  ];
}

function prefixNodes(page: ListPage, text: (key: string) => string): readonly XmlNode[] {
  return page.commonPrefixes.map((prefix) => ['CommonPrefixes', [['Prefix', text(prefix)]]]);
}

function encoder({ encoding }: ListPage): (text: string) => string {
  return encoding === 'url' ? (text) => uriEncode(text, true) : (text) => text;
}

function optional(value: string | undefined, text: (value: string) => string): string | undefined {
  return value === undefined ? undefined : text(value);
}
