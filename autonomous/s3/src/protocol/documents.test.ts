import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { listUploadsDocument, listVersionsDocument } from './list-documents.ts';
import {
  aclDocument,
  attributesDocument,
  copiedDocument,
  deletedDocument,
  encryptionDocument,
  legalHoldDocument,
  listPartsDocument,
  locationDocument,
  objectLockDocument,
  retentionDocument,
  tagsDocument,
  versioningDocument,
} from './object-documents.ts';
import {
  checkEncryption,
  parseLegalHold,
  parseLocation,
  parseObjectLock,
  parsePartNumber,
  parseRetention,
  parseTags,
  parseVersioning,
} from './xml-requests.ts';

const owner = { id: 'id', name: 'name' };
const ownerXml = '<Owner><ID>id</ID><DisplayName>name</DisplayName></Owner>';
const page = {
  bucket: 'books',
  prefix: 'p',
  delimiter: undefined,
  max: 2,
  isTruncated: true,
  commonPrefixes: [],
  encoding: 'url' as const,
  owner,
};

suite('documents', () => {
  test('configurations that are answered are read as they were meant', () => {
    const tags = [
      ['a', 'x/1 ü'],
      ['b', ''],
    ] as const;
    assert.deepEqual(parseTags(Buffer.from(tagsDocument(tags)), 10), tags);
    const lock = { mode: 'COMPLIANCE', retainUntilMs: Date.UTC(2030, 1, 3) } as const;
    assert.deepEqual(parseRetention(Buffer.from(retentionDocument(lock))), lock);
    for (const isHeld of [true, false]) {
      assert.equal(parseLegalHold(Buffer.from(legalHoldDocument(isHeld))), isHeld);
    }
    const retention = { mode: 'GOVERNANCE', days: 3, years: undefined } as const;
    for (const given of [retention, undefined]) {
      assert.deepEqual(parseObjectLock(Buffer.from(objectLockDocument(given))), given);
    }
    for (const status of ['Enabled', 'Suspended'] as const) {
      assert.equal(parseVersioning(Buffer.from(versioningDocument(status))), status);
    }
    checkEncryption(Buffer.from(encryptionDocument()));
  });

  test('the location of us-east-1 is empty, and no body is no location', () => {
    assert.match(
      locationDocument('us-east-1'),
      /<LocationConstraint [^>]*><\/LocationConstraint>$/,
    );
    assert.match(locationDocument('eu-1'), />eu-1<\/LocationConstraint>$/);
    assert.equal(parseLocation(Buffer.alloc(0)), undefined);
  });

  test('versions and delete markers stand in one list, in its order', () => {
    const document = listVersionsDocument({
      ...page,
      keyMarker: '',
      versionMarker: '',
      nextKeyMarker: 'a b',
      nextVersionMarker: 'v2',
      versions: [
        { key: 'a b', modifiedMs: 0, versionId: 'v1', isLatest: true, isMarker: true },
        {
          key: 'a b',
          modifiedMs: 0,
          versionId: 'v2',
          isLatest: false,
          isMarker: false,
          etag: 'e',
          sizeBytes: 5,
          checksum: { algorithm: 'CRC32', type: 'FULL_OBJECT' },
        },
      ],
    });
    assert.ok(
      document.includes(
        '<NextKeyMarker>a%20b</NextKeyMarker><NextVersionIdMarker>v2</NextVersionIdMarker>' +
          '<MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>' +
          '<DeleteMarker><Key>a%20b</Key><VersionId>v1</VersionId><IsLatest>true</IsLatest>' +
          `<LastModified>1970-01-01T00:00:00.000Z</LastModified>${ownerXml}</DeleteMarker>` +
          '<Version><Key>a%20b</Key><VersionId>v2</VersionId><IsLatest>false</IsLatest>' +
          '<LastModified>1970-01-01T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag>' +
          '<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>' +
          `<Size>5</Size>${ownerXml}<StorageClass>STANDARD</StorageClass></Version>`,
      ),
      document,
    );
  });

  test('uploads and parts are listed with where the next page begins', () => {
    const uploads = listUploadsDocument({
      ...page,
      keyMarker: '',
      uploadMarker: '',
      nextKeyMarker: 'k',
      nextUploadMarker: 'u',
      uploads: [{ key: 'k', uploadId: 'u', startedMs: 0 }],
    });
    assert.match(uploads, /<NextUploadIdMarker>u<\/NextUploadIdMarker>.*<Upload><Key>k<\/Key>/);
    const parts = listPartsDocument({
      ...page,
      key: 'k',
      uploadId: 'u',
      marker: 0,
      nextMarker: 1,
      algorithm: 'CRC32C',
      checksumType: 'COMPOSITE',
      parts: [
        {
          number: 1,
          modifiedMs: 0,
          etag: 'e',
          sizeBytes: 9,
          checksum: { algorithm: 'CRC32C', value: 'AAAAAA==' },
        },
      ],
    });
    assert.match(parts, /<NextPartNumberMarker>1<.*<Size>9<\/Size><ChecksumCRC32C>AAAAAA==</);
  });

  test('copies, attributes and grants tell what they know, and nothing empty', () => {
    const copied = copiedDocument('Part', { etag: 'e', modifiedMs: 0, checksum: undefined });
    assert.match(copied, /<CopyPartResult [^>]*><ETag>&quot;e&quot;<\/ETag><LastModified>[^<]*</);
    assert.doesNotMatch(copied, /Checksum/);
    const attributes = attributesDocument({
      etag: 'e',
      checksum: { algorithm: 'SHA256', value: 'x' },
      checksumType: 'COMPOSITE',
      sizeBytes: 0,
      storageClass: undefined,
      partCount: 2,
    });
    assert.match(attributes, /<Checksum><ChecksumSHA256>x<.*<PartsCount>2<.*<ObjectSize>0</);
    assert.doesNotMatch(attributes, /StorageClass/);
    assert.match(aclDocument(owner), /xsi:type="CanonicalUser"><ID>id<\/ID>.*FULL_CONTROL/);
  });

  test('quiet deletes tell of failures alone', () => {
    const none = { versionId: undefined, markerVersionId: undefined };
    const error = { code: 'AccessDenied', message: 'no' } as const;
    const results = [
      { key: 'gone', ...none, error: undefined },
      { key: 'kept', ...none, error },
    ];
    assert.match(deletedDocument(results, false), /<Deleted><Key>gone<.*<Error><Key>kept</);
    assert.doesNotMatch(deletedDocument(results, true), /Deleted/);
  });

  test('part numbers are from 1 to 10,000', () => {
    assert.equal(parsePartNumber('1'), 1);
    assert.equal(parsePartNumber('10000'), 10_000);
    for (const text of ['0', '10001', '-1', '1e3', '', ' 1']) {
      assert.equal(parsePartNumber(text), undefined);
    }
  });
});
