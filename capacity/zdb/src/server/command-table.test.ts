import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Request, RequestParser, defaultServerLimits } from '@commongrid/resp';
import { allCommands } from './all-commands.ts';

function requestOf(word: string): Request {
  const parser = new RequestParser(defaultServerLimits);
  parser.push(Buffer.from(`*1\r\n$${word.length}\r\n${word}\r\n`));
  assert.ok(parser.next());
  return parser.request;
}

test('command table finds every command in any case', () => {
  for (const command of allCommands.list) {
    assert.equal(allCommands.find(requestOf(command.name)), command);
    assert.equal(allCommands.find(requestOf(command.name.toLowerCase())), command);
  }
});

test('command table finds whole names alone', () => {
  for (const word of ['', 'G', 'GE', 'GETS', 'GOT', '*', 'S\0T', 'nslis']) {
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
