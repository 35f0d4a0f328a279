import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestParser, defaultServerLimits } from '@commongrid/resp';
import type { Request } from '@commongrid/resp';
import { allCommands } from './all-commands.ts';

function requestOf(word: string): Request {
  const parser = new RequestParser(defaultServerLimits);
  parser.push(Buffer.from(`*1\r\n$${word.length}\r\n${word}\r\n`));
  assert.ok(parser.next());
  return parser.request;
}

test('command table finds every command in any case', () => {
  for (const command of allCommands.list) {
    const { name } = command;
    const mixed = `${name.slice(0, 1)}${name.slice(1).toLowerCase()}`;
    for (const word of [name, name.toLowerCase(), mixed]) {
      assert.equal(allCommands.find(requestOf(word)), command, word);
    }
  }
});

test('command table finds whole names alone', () => {
  for (const word of ['', 'H', 'HGE', 'HGETS', '*', 'H\0ET', 'bcdb', 'x'.repeat(100)]) {
    assert.equal(allCommands.find(requestOf(word)), undefined, word);
  }
});

test('command table names each command once and says what it takes', () => {
  const names = allCommands.list.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, least, most, summary } of allCommands.list) {
    assert.equal(name, name.toUpperCase());
    assert.ok(least >= 0 && most >= least && summary.endsWith('.'), name);
  }
});
