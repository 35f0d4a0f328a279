import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import fc from 'fast-check';

import { corsNodes, lifecycleNodes, parseCors, parseLifecycle } from './bucket-documents.ts';
import { listObjectsV2Document } from './list-documents.ts';
import { S3Error } from './s3-error.ts';
import { readXml } from './xml-reader.ts';
import {
  checkEncryption,
  parseComplete,
  parseDelete,
  parseLegalHold,
  parseLocation,
  parseObjectLock,
  parseRetention,
  parseTags,
  parseVersioning,
} from './xml-requests.ts';
import { writeXml } from './xml-writer.ts';

const parsers: readonly ((bytes: Buffer) => unknown)[] = [
  parseDelete,
  parseComplete,
  parseLocation,
  parseVersioning,
  (bytes) => parseTags(bytes, 50),
  parseRetention,
  parseLegalHold,
  parseObjectLock,
  checkEncryption,
  parseCors,
  parseLifecycle,
];

suite('XML', () => {
  test('every text that is written is read again', () => {
    // Carriage returns and what XML 1.0 forbids go as references.
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        if (!text.isWellFormed()) return;
        const root = readXml(Buffer.from(writeXml('Key', text)));
        assert.equal(root.text, text);
      }),
    );
  });

  test('attributes, comments, CDATA, prefixes and references are understood', () => {
    const root = readXml(
      Buffer.from(
        '\ufeff<?xml version="1.0"?><!-- a > b --><s3:Delete xmlns:s3="u" xmlns=\'v\'>' +
          '<s3:Key>a&lt;&#65;&#x42;<![CDATA[<&]]>c</s3:Key><Empty /></s3:Delete>\n',
      ),
    );
    assert.equal(root.name, 'Delete');
    assert.deepEqual(
      root.children.map(({ name, text }) => [name, text]),
      [
        ['Key', 'a<AB<&c'],
        ['Empty', ''],
      ],
    );
  });

  test('entities, depth, broken markup and other encodings are refused', () => {
    const bad = [
      '',
      '<a>',
      '<a></b>',
      '<a/><b/>',
      'text',
      '<a/>text',
      '<a b="1" b=2/>',
      '<a>&unknown;</a>',
      '<a>&#xd800;</a>',
      '<a>&#1114112;</a>',
      '<a>& b</a>',
      '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
      '<a><?php x ?></a>',
      '<a '.repeat(100),
      '<a>'.repeat(13) + '</a>'.repeat(13),
      '<a>' + '<b/>'.repeat(80_001) + '</a>',
    ];
    for (const text of bad) refuses(() => readXml(Buffer.from(text)), text.slice(0, 60));
    refuses(() => readXml(Buffer.from([0x3c, 0x61, 0xff, 0x2f, 0x3e])), 'not UTF-8');
  });

  test('noise is never more than a named error', () => {
    const words = [
      '<',
      '>',
      '/',
      '&',
      ';',
      '"',
      '=',
      ' ',
      'Delete',
      'Object',
      'Key',
      '<!--',
      ']]>',
      '\u0000',
    ];
    const soup = fc
      .array(fc.constantFrom(...words), { maxLength: 60 })
      .map((list) => list.join(''));
    fc.assert(
      fc.property(fc.oneof(soup, fc.string({ unit: 'binary' })), (text) => {
        for (const parse of parsers) {
          try {
            parse(Buffer.from(text));
          } catch (error) {
            assert.ok(error instanceof S3Error && error.status < 500, String(error));
          }
        }
      }),
    );
  });

  test('documents of requests are read, and half ones refused', () => {
    const complete = (parts: string): Buffer =>
      Buffer.from(`<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`);
    const part = (number: string): string =>
      `<Part><PartNumber>${number}</PartNumber><ETag>&quot;e&quot;</ETag></Part>`;
    assert.deepEqual(parseComplete(complete(part('1') + part('7'))), [
      { number: 1, etag: 'e', checksum: undefined },
      { number: 7, etag: 'e', checksum: undefined },
    ]);
    for (const parts of ['', part('2') + part('1'), part('0'), part('10001'), '<Part/>']) {
      refuses(() => parseComplete(complete(parts)), parts);
    }
    const removed = parseDelete(
      Buffer.from('<Delete><Object><Key> a </Key></Object><Quiet>true</Quiet></Delete>'),
    );
    assert.equal(removed.isQuiet, true);
    assert.equal(removed.objects[0]?.key, ' a ');
    const retention = '<Retention><Mode>GOVERNANCE</Mode></Retention>';
    refuses(() => parseRetention(Buffer.from(retention)), retention);
  });

  test('configurations are given back as they were set', () => {
    const cors =
      '<CORSRule><ID>one</ID><AllowedHeader>*</AllowedHeader><AllowedMethod>GET</AllowedMethod>' +
      '<AllowedOrigin>https://*.org</AllowedOrigin><MaxAgeSeconds>9</MaxAgeSeconds></CORSRule>';
    const rules = parseCors(Buffer.from(`<CORSConfiguration>${cors}</CORSConfiguration>`));
    assert.ok(writeXml('CORSConfiguration', corsNodes(rules)).includes(cors));
    const rule =
      '<Rule><Expiration><Days>3</Days></Expiration><ID>x</ID><Filter><And><Prefix>p</Prefix>' +
      '<Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Status>Enabled</Status>' +
      '<NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays>' +
      '</NoncurrentVersionExpiration></Rule>';
    const lifecycle = parseLifecycle(
      Buffer.from(`<LifecycleConfiguration>${rule}</LifecycleConfiguration>`),
    );
    assert.ok(writeXml('LifecycleConfiguration', lifecycleNodes(lifecycle)).includes(rule));
  });

  test('lists escape keys in the way that was asked for', () => {
    const page = (encoding: 'url' | undefined): string =>
      listObjectsV2Document({
        bucket: 'books',
        prefix: '',
        delimiter: '/',
        max: 1000,
        isTruncated: false,
        commonPrefixes: ['a b/'],
        encoding,
        objects: [{ key: '<\u0001>', modifiedMs: 0, etag: 'e', sizeBytes: 1 }],
        startAfter: undefined,
        token: undefined,
        nextToken: undefined,
      });
    assert.match(page(undefined), /<Key>&lt;&#x1;&gt;<\/Key>.*<Prefix>a b\/<\/Prefix>/);
    assert.match(page('url'), /<Key>%3C%01%3E<\/Key>.*<Prefix>a%20b\/<\/Prefix>/);
    assert.match(page('url'), /<KeyCount>2<\/KeyCount>/);
  });
});

function refuses(call: () => unknown, what: string): void {
  assert.throws(
    call,
    (error) => error instanceof S3Error && error.status === 400,
    `was not refused: ${what}`,
  );
}
