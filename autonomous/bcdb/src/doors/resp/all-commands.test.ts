import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allCommands } from './all-commands.ts';

test('Redis door of BCDB names each command once and says what it takes', () => {
  const names = allCommands.list.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, least, most, summary } of allCommands.list) {
    assert.equal(name, name.toUpperCase());
    assert.ok(least >= 0 && most >= least && summary.endsWith('.'), name);
  }
});
