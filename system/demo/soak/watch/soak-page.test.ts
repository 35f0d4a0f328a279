import assert from 'node:assert/strict';
import { test } from 'node:test';

import { soakPage } from './soak-page.ts';
import type { WatchFindings } from './watch-types.ts';

const counts = { done: 10, bytes: 20e6, failed: 1, longestMs: 1_500 };
const findings: WatchFindings = {
  broken: [],
  promises: [{ name: 'money', checks: 90, figure: '12 escrows' }],
  healing: [{ kind: 'machine killed', count: 3, medianMs: 12_000, worstMs: 30_000 }],
  requests: [{ kind: 'page', count: 7, medianMs: 10, worstMs: 2_000, failed: 2 }],
  traffic: {
    ...{ reads: counts, writes: counts, expected: { reads: counts, writes: counts } },
    ...{ wrong: 0, hung: 0, removed: 0, problems: [] },
  },
  processes: [
    {
      ...{ name: 'hub', lives: 1, largestBytes: 300e6 },
      growth: { bytesPerHour: 5e6, filesPerHour: 0, overSeconds: 900, isFlat: true },
    },
    { name: 'agent of be-1', lives: 4, largestBytes: 140e6 },
  ],
  ...{ objects: 500, seconds: 100 },
};

const facts = {
  machine: '2 x a processor, 8 GiB',
  versions: 'node 26',
  command: './grid demo soak --seed 7',
  lines: ['30 minutes'],
  broken: [],
};
const at = new Date('2026-11-22T20:00:00Z');

test('a page says where, what, how often, how long, and what grows', () => {
  const lines = soakPage(facts, findings, at).split('\n');
  for (const line of [
    'Measured on 2026-11-22.',
    'Machine: 2 x a processor, 8 GiB.',
    'To repeat: `./grid demo soak --seed 7`',
    '- nothing was broken',
    '| money | 90 | 12 escrows |',
    '| machine killed | 3 | 12.0 | 30.0 |',
    '| objects read | 10 | 1 | 1.5 | 20.0 | 0.20 |',
    '| page asked | 5 | 2 | 2.0 |  |  |',
    '| hub | 1 | 300 | 5 | 0 | yes |',
    '| agent of be-1 | 4 | 140 |  |  |  |',
  ]) {
    assert.ok(lines.includes(line), `${line} is missing in\n${lines.join('\n')}`);
  }
});

test('a page about a soak that ended before its time says what broke', () => {
  const page = soakPage({ ...facts, broken: ['money: some is missing'] }, undefined, at);
  assert.match(page, /- broken: 1\n  - money: some is missing\n/);
  assert.doesNotMatch(page, /## /);
});
