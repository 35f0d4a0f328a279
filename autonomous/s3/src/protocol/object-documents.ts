import type { Checksum, ChecksumAlgorithm, ChecksumType } from './checksum.ts';
import { isoDate } from './dates.ts';
import { ownerNode } from './list-documents.ts';
import type { Owner } from './list-documents.ts';
import type { ObjectHeaders, ObjectLock } from './object-headers.ts';
import type { S3ErrorCode } from './s3-error.ts';
import { uriEncode } from './uri-encoding.ts';
import type { DefaultRetention } from './xml-requests.ts';
import { writeXml } from './xml-writer.ts';
import type { XmlNode } from './xml-writer.ts';

const instance = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';

/** The answer of CreateMultipartUpload. */
export function uploadDocument(bucket: string, key: string, uploadId: string): string {
  return writeXml('InitiateMultipartUploadResult', [
    ['Bucket', bucket],
    ['Key', key],
    ['UploadId', uploadId],
  ]);
}

/** The answer of CompleteMultipartUpload. */
export function completedDocument(object: {
  readonly location: string;
  readonly bucket: string;
  readonly key: string;
  readonly etag: string;
  readonly checksum: Checksum | undefined;
  readonly checksumType: ChecksumType | undefined;
}): string {
  return writeXml('CompleteMultipartUploadResult', [
    ['Location', object.location],
    ['Bucket', object.bucket],
    ['Key', object.key],
    ['ETag', `"${object.etag}"`],
    checksumNode(object.checksum),
    ['ChecksumType', object.checksumType],
  ]);
}

/** The answer of CopyObject, and with `UploadPart` of UploadPartCopy. */
export function copiedDocument(
  kind: 'Object' | 'Part',
  copy: {
    readonly etag: string;
    readonly modifiedMs: number;
    readonly checksum: Checksum | undefined;
    readonly checksumType?: ChecksumType;
  },
): string {
  return writeXml(`Copy${kind}Result`, [
    ['ETag', `"${copy.etag}"`],
    ['LastModified', isoDate(copy.modifiedMs)],
    ['ChecksumType', copy.checksumType],
    checksumNode(copy.checksum),
  ]);
}

export interface ListedPart {
  readonly number: number;
  readonly modifiedMs: number;
  readonly etag: string;
  readonly sizeBytes: number;
  readonly checksum: Checksum | undefined;
}

/** The answer of ListParts. */
export function listPartsDocument(page: {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
  readonly owner: Owner;
  readonly marker: number;
  readonly nextMarker: number | undefined;
  readonly max: number;
  readonly isTruncated: boolean;
  readonly encoding: 'url' | undefined;
  readonly algorithm: ChecksumAlgorithm | undefined;
  readonly checksumType: ChecksumType | undefined;
  readonly parts: readonly ListedPart[];
}): string {
  return writeXml('ListPartsResult', [
    ['Bucket', page.bucket],
    ['Key', page.encoding === 'url' ? uriEncode(page.key, true) : page.key],
    ['UploadId', page.uploadId],
    ownerNode(page.owner, 'Initiator'),
    ownerNode(page.owner),
    ['StorageClass', 'STANDARD'],
    ['PartNumberMarker', page.marker],
    ['NextPartNumberMarker', page.nextMarker],
    ['MaxParts', page.max],
    ['EncodingType', page.encoding],
    ['IsTruncated', page.isTruncated],
    ['ChecksumAlgorithm', page.algorithm],
    ['ChecksumType', page.checksumType],
    ...page.parts.map((part): XmlNode => [
      'Part',
      [
        ['PartNumber', part.number],
        ['LastModified', isoDate(part.modifiedMs)],
        ['ETag', `"${part.etag}"`],
        ['Size', part.sizeBytes],
        checksumNode(part.checksum),
      ],
    ]),
  ]);
}

/** What became of one object of DeleteObjects. */
export interface Deleted {
  readonly key: string;
  readonly versionId: string | undefined;
  /** The version of the delete marker that was made, or taken away. */
  readonly markerVersionId: string | undefined;
  readonly error: { readonly code: S3ErrorCode; readonly message: string } | undefined;
}

/** The answer of DeleteObjects; quiet ones tell of failures only. */
export function deletedDocument(results: readonly Deleted[], isQuiet: boolean): string {
  const nodes: XmlNode[] = [];
  for (const { key, versionId, markerVersionId, error } of results) {
    if (error !== undefined) {
      nodes.push([
        'Error',
        [
          ['Key', key],
          ['VersionId', versionId],
          ['Code', error.code],
          ['Message', error.message],
        ],
      ]);
    } else if (!isQuiet) {
      nodes.push([
        'Deleted',
        [
          ['Key', key],
          ['VersionId', versionId],
          ['DeleteMarker', markerVersionId === undefined ? undefined : true],
          ['DeleteMarkerVersionId', markerVersionId],
        ],
      ]);
    }
  }
  return writeXml('DeleteResult', nodes);
}

/** The answer of GetObjectAttributes: what was asked for is there, the rest undefined. */
export function attributesDocument(attributes: {
  readonly etag: string | undefined;
  readonly checksum: Checksum | undefined;
  readonly checksumType: ChecksumType | undefined;
  readonly sizeBytes: number | undefined;
  readonly storageClass: 'STANDARD' | undefined;
  readonly partCount: number | undefined;
}): string {
  const { checksum, checksumType, partCount } = attributes;
  return writeXml('GetObjectAttributesResponse', [
    ['ETag', attributes.etag],
    checksum && ['Checksum', [checksumNode(checksum), ['ChecksumType', checksumType]]],
    partCount === undefined ? undefined : ['ObjectParts', [['PartsCount', partCount]]],
    ['StorageClass', attributes.storageClass],
    ['ObjectSize', attributes.sizeBytes],
  ]);
}

/** The answer of GetObjectTagging and GetBucketTagging. */
export function tagsDocument(tags: ObjectHeaders['tags']): string {
  const nodes = tags.map(([key, value]): XmlNode => [
    'Tag',
    [
      ['Key', key],
      ['Value', value],
    ],
  ]);
  return writeXml('Tagging', [['TagSet', nodes]]);
}

/** The answer of GetObjectRetention. */
export function retentionDocument({ mode, retainUntilMs }: ObjectLock): string {
  return writeXml('Retention', [
    ['Mode', mode],
    ['RetainUntilDate', isoDate(retainUntilMs)],
  ]);
}

/** The answer of GetObjectLegalHold. */
export function legalHoldDocument(isHeld: boolean): string {
  return writeXml('LegalHold', [['Status', isHeld ? 'ON' : 'OFF']]);
}

/** The answer of GetObjectLockConfiguration. */
export function objectLockDocument(retention: DefaultRetention | undefined): string {
  return writeXml('ObjectLockConfiguration', [
    ['ObjectLockEnabled', 'Enabled'],
    retention && [
      'Rule',
      [
        [
          'DefaultRetention',
          [
            ['Mode', retention.mode],
            ['Days', retention.days],
            ['Years', retention.years],
          ],
        ],
      ],
    ],
  ]);
}

/** The answer of GetBucketVersioning; undefined for a bucket that never had it. */
export function versioningDocument(status: 'Enabled' | 'Suspended' | undefined): string {
  return writeXml('VersioningConfiguration', [['Status', status]]);
}

/** The answer of GetBucketLocation: us-east-1 has no name there. */
export function locationDocument(region: string): string {
  return writeXml('LocationConstraint', region === 'us-east-1' ? '' : region);
}

/** The answer of GetBucketEncryption. */
export function encryptionDocument(): string {
  const chosen: XmlNode = ['ApplyServerSideEncryptionByDefault', [['SSEAlgorithm', 'AES256']]];
  return writeXml('ServerSideEncryptionConfiguration', [
    ['Rule', [chosen, ['BucketKeyEnabled', false]]],
  ]);
}

/** The answer of GetBucketAcl and GetObjectAcl: the owner may do all, and nobody else is named. */
export function aclDocument(owner: Owner): string {
  const { id, name } = owner;
  return writeXml('AccessControlPolicy', [
    ownerNode(owner),
    [
      'AccessControlList',
      [
        [
          'Grant',
          [
            [
              `Grantee ${instance} xsi:type="CanonicalUser"`,
              [
                ['ID', id],
                ['DisplayName', name],
              ],
            ],
            ['Permission', 'FULL_CONTROL'],
          ],
        ],
      ],
    ],
  ]);
}

function checksumNode(checksum: Checksum | undefined): XmlNode | undefined {
  return checksum && [`Checksum${checksum.algorithm}`, checksum.value];
}
