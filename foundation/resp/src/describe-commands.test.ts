import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandTable } from './command-table.ts';
import type { CommandFacts } from './command-table.ts';
import { describeCommands } from './describe-commands.ts';
import { requestOf } from './testing/request-of.ts';
import { written } from './testing/written.ts';

const commands = new CommandTable<CommandFacts>([
  { name: 'GET', least: 1, most: 1, keys: [1, 1, 1], summary: 'Reads.' },
  { name: 'PING', least: 0, most: 1, summary: 'Answers PONG.' },
]);
const flagsOf = ({ name }: CommandFacts): string[] => ['readonly', name.length > 3 ? 'fast' : 'x'];

const get = '*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+x\r\n:1\r\n:1\r\n:1\r\n';
const ping = '*10\r\n$4\r\nping\r\n:-1\r\n*2\r\n+readonly\r\n+fast\r\n:0\r\n:0\r\n:0\r\n';
const empty = '*0\r\n*0\r\n*0\r\n*0\r\n';

function answer(...args: readonly string[]): string {
  return written((reply) => {
    assert.equal(describeCommands(reply, requestOf(...args), { commands, flagsOf }), true);
  });
}

test('description of commands counts and lists them', () => {
  assert.equal(answer('COMMAND', 'count'), ':2\r\n');
  assert.equal(answer('COMMAND', 'LIST'), '*2\r\n$3\r\nget\r\n$4\r\nping\r\n');
});

test('description of commands says what each takes, of all or of those asked for', () => {
  const all = `*2\r\n${get}${empty}${ping}${empty}`;
  assert.equal(answer('COMMAND'), all);
  assert.equal(answer('COMMAND', 'INFO'), all);
  assert.equal(answer('COMMAND', 'INFO', 'ping', 'nix'), `*2\r\n${ping}${empty}*-1\r\n`);
});

test('description of commands documents those it knows', () => {
  const docs =
    '*2\r\n$3\r\nget\r\n*6\r\n$7\r\nsummary\r\n$6\r\nReads.\r\n' +
    '$5\r\nsince\r\n$5\r\n1.0.0\r\n$5\r\ngroup\r\n$7\r\ngeneric\r\n';
  assert.equal(answer('COMMAND', 'DOCS', 'nix', 'get'), docs);
});

test('description of commands leaves the answer to the door when it is asked for another thing', () => {
  const text = written((reply) => {
    const request = requestOf('COMMAND', 'NIX');
    assert.equal(describeCommands(reply, request, { commands, flagsOf }), false);
  });
  assert.equal(text, '');
});
