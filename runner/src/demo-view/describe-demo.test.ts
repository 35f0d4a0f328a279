import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { DemoFrame } from '@commongrid/system/demo';

import type { Style } from '../terminal.ts';
import { describeComparison, describeDemo } from './describe-demo.ts';

const plain = (text: string): string => text;
const style: Style = { strong: plain, good: plain, bad: plain, faint: plain };

const first: DemoFrame = {
  ...{ sinceMs: 64_000, passed: 7, failed: 0, step: { name: 'machines lost', forMs: 4_200 } },
  farms: [
    { code: 'be', machines: ['alive', 'lost'] },
    { code: 'ch', machines: ['silent', 'alive'] },
  ],
  shards: ['healthy', 'lost', 'refilling', 'healthy'],
  traffic: { reads: 10, writes: 1, failed: 0, readBytes: 0, writtenBytes: 0 },
};

test('a frame shows machines by farm, a square for each shard, and what clients do', () => {
  const next = {
    ...{ ...first, sinceMs: 66_000 },
    traffic: { reads: 12, writes: 1, failed: 2, readBytes: 4_194_304, writtenBytes: 0 },
  };
  assert.deepEqual(describeDemo(next, first, style), [
    'demo archive, 01:06: 7 passed, 0 failed',
    '  now       machines lost, 4 s',
    '  machines  be ■□  ch ▨■',
    '  shards    ■□▨■  2 of 4 healthy, 1 refilling, 1 lost',
    '  clients   12 reads at 2 MiB/s, 1 write at 0 B/s, 2 failed',
  ]);
});

test('what is not there yet has no line', () => {
  const begun = { sinceMs: 500, passed: 0, failed: 0, step: { name: 'grid', forMs: 500 } };
  const frame: DemoFrame = { ...begun, farms: [], shards: [], traffic: undefined };
  assert.deepEqual(describeDemo(frame, undefined, style), [
    'demo archive, 00:00: 0 passed, 0 failed',
    '  now       grid, 1 s',
  ]);
});

test('figures stand beside those of the original', () => {
  const rows = [
    { what: 'an app answers from another machine', here: '12.1 s', original: '2 to 4 h' },
  ];
  const lines = describeComparison(rows, style).split('\n');
  assert.deepEqual(
    lines.map((line) => line.trim().split(/ {2,}/)),
    [
      ['here', 'the original'],
      ['an app answers from another machine', '12.1 s', '2 to 4 h'],
    ],
  );
});
