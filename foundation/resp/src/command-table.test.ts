import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandTable } from './command-table.ts';
import { requestOf } from './testing/request-of.ts';

/** GET and GOT have the length, the first and the last letter in common. */
const names = ['GET', 'GOT', 'GETSET', 'SET', 'X.LONG-NAME'];
const table = new CommandTable(
  names.map((name) => ({ name, least: 0, most: 1, summary: `${name}.` })),
);

test('command table finds every command in any case', () => {
  for (const command of table.list) {
    const { name } = command;
    const mixed = `${name.slice(0, 1)}${name.slice(1).toLowerCase()}`;
    for (const word of [name, name.toLowerCase(), mixed]) {
      assert.equal(table.find(requestOf(word)), command, word);
    }
  }
});

test('command table finds what any argument names', () => {
  assert.equal(table.find(requestOf('command', 'info', 'got'), 2)?.name, 'GOT');
});

test('command table finds whole names alone', () => {
  for (const word of ['', 'G', 'GE', 'GETS', 'GAT', '*', 'S\0T', 'etset', 'x'.repeat(100)]) {
    assert.equal(table.find(requestOf(word)), undefined, word);
  }
});
