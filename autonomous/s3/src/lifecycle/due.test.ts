import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import fc from 'fast-check';

import { lifecycleNodes, parseLifecycle } from '../protocol/bucket-documents.ts';
import type { LifecycleRule } from '../protocol/bucket-documents.ts';
import { S3Error } from '../protocol/s3-error.ts';
import { writeXml } from '../protocol/xml-writer.ts';
import { dueOf, isUploadDue } from './due.ts';
import type { Due, JudgedVersion, Standing } from './due.ts';

const dayMs = 86_400_000;
const madeMs = Date.UTC(2026, 0, 1, 10);

function ruleOf(xml: string): readonly LifecycleRule[] {
  const status = xml.includes('<Status>') ? '' : '<Status>Enabled</Status>';
  return parseLifecycle(
    Buffer.from(`<LifecycleConfiguration><Rule>${status}${xml}</Rule></LifecycleConfiguration>`),
  );
}

const version: JudgedVersion = {
  ...{ key: 'logs/a', sizeBytes: 1000, tags: [['kind', 'log']], modifiedMs: madeMs },
  ...{ isMarker: false, isLatest: true },
};
const alone: Standing = { noncurrentSinceMs: undefined, newerNoncurrent: 0, isOnly: true };
const noncurrent = { ...version, isLatest: false };
const marker = { ...version, isMarker: true, tags: [], sizeBytes: 0 };
const behind: Standing = { noncurrentSinceMs: madeMs, newerNoncurrent: 0, isOnly: false };

const days = (count: number): string => `<Expiration><Days>${count}</Days></Expiration>`;
const aged = `<NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays>
  <NewerNoncurrentVersions>3</NewerNoncurrentVersions></NoncurrentVersionExpiration>`;
const markers =
  '<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>';

describe('a lifecycle rule', () => {
  const cases: readonly (readonly [string, JudgedVersion, Standing, days: number, Due])[] = [
    [days(1), version, alone, 1, undefined],
    [days(1), version, alone, 2, 'expire'],
    [`<Status>Disabled</Status>${days(1)}`, version, alone, 9, undefined],
    ['<Expiration><Date>2026-01-03T00:00:00Z</Date></Expiration>', version, alone, 2, 'expire'],
    ['<Expiration><Date>2026-01-04T00:00:00Z</Date></Expiration>', version, alone, 2, undefined],
    [days(1), noncurrent, behind, 9, undefined],
    [aged, version, alone, 9, undefined],
    [aged, noncurrent, { ...behind, newerNoncurrent: 2 }, 9, undefined],
    [aged, noncurrent, { ...behind, newerNoncurrent: 3 }, 9, 'remove'],
    [aged, noncurrent, { ...behind, newerNoncurrent: 3 }, 2, undefined],
    [aged, { ...marker, isLatest: false }, { ...behind, newerNoncurrent: 3 }, 9, 'remove'],
    [markers, marker, alone, 0, 'remove'],
    [markers, marker, { ...alone, isOnly: false }, 9, undefined],
    [markers, version, alone, 9, undefined],
    [days(1), marker, alone, 9, 'remove'],
    [days(1), marker, { ...alone, isOnly: false }, 9, undefined],
    [`<Filter><Prefix>logs/</Prefix></Filter>${days(1)}`, version, alone, 9, 'expire'],
    [`<Filter><Prefix>log/</Prefix></Filter>${days(1)}`, version, alone, 9, undefined],
    [`<Prefix>logs/</Prefix>${days(1)}`, version, alone, 9, 'expire'],
    [
      `<Filter><Tag><Key>kind</Key><Value>log</Value></Tag></Filter>${days(1)}`,
      version,
      alone,
      9,
      'expire',
    ],
    [
      `<Filter><Tag><Key>kind</Key><Value>x</Value></Tag></Filter>${days(1)}`,
      version,
      alone,
      9,
      undefined,
    ],
    [
      `<Filter><And><Prefix>logs/</Prefix><ObjectSizeGreaterThan>999</ObjectSizeGreaterThan>
        <ObjectSizeLessThan>1001</ObjectSizeLessThan></And></Filter>${days(1)}`,
      ...([version, alone, 9, 'expire'] as const),
    ],
    [
      `<Filter><ObjectSizeGreaterThan>1000</ObjectSizeGreaterThan></Filter>${days(1)}`,
      ...([version, alone, 9, undefined] as const),
    ],
    [
      `<Filter><ObjectSizeLessThan>1000</ObjectSizeLessThan></Filter>${days(1)}`,
      ...([version, alone, 9, undefined] as const),
    ],
  ];
  for (const [xml, judged, standing, after, due] of cases) {
    test(`${xml.replaceAll(/\s+/g, ' ')} says ${due} after ${after} days`, () => {
      assert.equal(dueOf(ruleOf(xml), judged, standing, Date.UTC(2026, 0, 1 + after)), due);
    });
  }

  test('aborts uploads that began long enough ago', () => {
    const rules = ruleOf(`<Filter><Prefix>up/</Prefix></Filter><AbortIncompleteMultipartUpload>
      <DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>`);
    const upload = { key: 'up/x', startedMs: madeMs };
    assert.equal(isUploadDue(rules, upload, madeMs + dayMs), false);
    assert.equal(isUploadDue(rules, upload, madeMs + 2 * dayMs), true);
    assert.equal(isUploadDue(rules, { ...upload, key: 'x' }, madeMs + 9 * dayMs), false);
  });

  const refused = [
    '<Expiration></Expiration>',
    '<Expiration><Days>1</Days><Date>2026-01-03T00:00:00Z</Date></Expiration>',
    `<NoncurrentVersionExpiration><NewerNoncurrentVersions>1</NewerNoncurrentVersions>
      </NoncurrentVersionExpiration>`,
    `<Filter><Prefix>a</Prefix><ObjectSizeLessThan>9</ObjectSizeLessThan></Filter>${days(1)}`,
    `<Filter><Suffix>a</Suffix></Filter>${days(1)}`,
    `<Filter><Prefix>a</Prefix></Filter><Prefix>b</Prefix>${days(1)}`,
    `<Filter><ObjectSizeLessThan>9</ObjectSizeLessThan></Filter>${markers}`,
    '',
  ];
  for (const xml of refused) {
    test(`is refused: ${xml.replaceAll(/\s+/g, ' ')}`, () => {
      assert.throws(() => ruleOf(xml), S3Error);
    });
  }

  test('reads any document, or refuses it; what it writes it reads the same', () => {
    const name = fc.constantFrom(
      ...['Rule', 'Filter', 'And', 'Prefix', 'Tag', 'Key', 'Value', 'Expiration', 'Days', 'Date'],
      ...['Status', 'ID', 'NoncurrentVersionExpiration', 'NoncurrentDays', 'ObjectSizeLessThan'],
      ...['AbortIncompleteMultipartUpload', 'DaysAfterInitiation', 'Transition', 'x'],
    );
    const text = fc.constantFrom(
      'Enabled',
      '1',
      '2026-01-01',
      '2026-01-01T00:00:00Z',
      'a/',
      '',
      '<',
      '&',
    );
    const { node } = fc.letrec<{ node: string }>((tie) => ({
      node: fc.oneof(
        { depthSize: 'small' },
        text,
        fc.tuple(name, fc.array(tie('node'), { maxLength: 4 })).map(([tag, inner]) => {
          return `<${tag}>${inner.join('')}</${tag}>`;
        }),
      ),
    }));
    const good = fc.tuple(fc.array(node, { maxLength: 2 }), fc.integer({ min: 0, max: 9 }));
    fc.assert(
      fc.property(good, ([nodes, count]) => {
        let rules: readonly LifecycleRule[];
        try {
          rules = ruleOf(`${nodes.join('')}${days(count)}`);
        } catch (error) {
          assert.ok(error instanceof S3Error, String(error));
          return;
        }
        const again = writeXml('LifecycleConfiguration', lifecycleNodes(rules));
        assert.deepEqual(parseLifecycle(Buffer.from(again)), rules);
        dueOf(rules, version, alone, madeMs);
      }),
      { numRuns: 2000 },
    );
  });
});
