import assert from 'node:assert/strict';
import { test } from 'node:test';

import { findLimitRowFaults, limitRowsOf } from './limit-rows.ts';

const limits = {
  path: 'limits.md',
  text: `# Limits

- **Before any part**: one.

## Store

- **Keys**: 255 bytes.
- **Values**: 8 MiB, **not** more.

## Not there

- **Elections**: none.
`,
};

test('rows of limits are read by their names, but those that nothing can reach', () => {
  assert.deepEqual(limitRowsOf(limits), ['Before any part', 'Keys', 'Values']);
});

test('a limit without tests, and tests of no limit, are faults', () => {
  const named = (row: string): string => `- **${row}**\n  - [a](../a.test.ts): does it\n`;
  const faultsOf = (text: string): string[] => findLimitRowFaults(limits, { path: 'qa.md', text });
  const all = named('Before any part') + named('Keys') + named('Values');
  assert.deepEqual(faultsOf(all), []);
  assert.deepEqual(faultsOf(named('Keys') + named('Values')), [
    'limits.md: qa.md names no test for "Before any part"',
  ]);
  assert.deepEqual(faultsOf(`${all}${named('Elections')}`), [
    'qa.md: limits.md has no limit "Elections"',
  ]);
  assert.deepEqual(faultsOf(all.replace('- [a](../a.test.ts): does it\n', 'later\n')), [
    'qa.md: no test for "Before any part"',
  ]);
});
