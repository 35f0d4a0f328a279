import assert from 'node:assert/strict';
import { test } from 'node:test';

import { commandLinesOf, findCommandFault, hintLinesOf } from './command-lines.ts';
import type { CommandShape } from './command-lines.ts';

const leaf = (name: string, options: string[], takesArguments = false): CommandShape => ({
  name,
  options,
  takesArguments,
  commands: [],
});
const program: CommandShape = {
  name: 'grid',
  options: ['--version'],
  takesArguments: false,
  commands: [
    leaf('up', ['--json']),
    leaf('down', ['--wipe'], true),
    { name: 'zdb', options: [], takesArguments: false, commands: [leaf('info', ['--json'])] },
  ],
};

test('command lines are found in sh and console blocks, and inline code', () => {
  const text = 'Use `grid up --json`.\n```sh\n./grid down # stop\nls\n```\n```ts\ngrid no\n```\n';
  const shown = '```console\n$ ./grid zdb info\nthe grid is up\n```\n';
  const found = commandLinesOf({ path: 'a.md', text: text + shown });
  assert.deepEqual(found, ['down # stop', 'zdb info', 'up --json']);
});

test('command lines are found in hints, prose is not', () => {
  const text = "{ hint: 'the grid runs: ./grid down, then' }\n{ hint: `grid zdb info ${x}` }";
  assert.deepEqual(hintLinesOf({ path: 'a.ts', text }), ['down', 'zdb info ${x}']);
});

test('a command line that exists has no fault', () => {
  for (const line of [
    'up --json | less',
    'down zdb --wipe',
    'zdb info # all',
    'down [SERVICE…]',
    'down a -- b --c',
  ]) {
    assert.equal(findCommandFault(line, program), undefined, line);
  }
});

test('an unknown command or option is a fault', () => {
  assert.match(findCommandFault('upp', program) ?? '', /no command upp/);
  assert.match(findCommandFault('zdb inf', program) ?? '', /zdb has no command inf/);
  assert.match(findCommandFault('up --jsn', program) ?? '', /up has no option --jsn/);
});
