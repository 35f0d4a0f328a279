import assert from 'node:assert/strict';
import { test } from 'node:test';

import { portEntry, portNames } from './ports.ts';

test('no two services share a port or an offset', () => {
  const entries = portNames.map(portEntry);
  assert.equal(new Set(entries.map(({ port }) => port)).size, entries.length);
  assert.equal(new Set(entries.map(({ offset }) => offset)).size, entries.length);
});
