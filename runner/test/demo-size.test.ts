import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { isGridError } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import { withDefaults } from '@commongrid/solutions';
import type { Answers } from '@commongrid/solutions';
import * as demo from '@commongrid/system/demo';

import { chooseSize } from '../src/commands/demo-size.ts';
import type { ArchiveSize } from '../src/commands/demo-size.ts';
import { askQuestions } from '../src/solutions/ask-questions.ts';
import { runCommand } from './fixtures/run-command.ts';
import { keys, typing } from './fixtures/typing.ts';

const { enter, down, back } = keys;
const draw = (count: number): Uint8Array => new Uint8Array(count);

/** The size where nobody is asked. */
function sizeOf(given: Answers): Promise<ArchiveSize> {
  return chooseSize(given, demo, async (asked, known) => withDefaults(asked, known, draw));
}

test('a demo is as big as is usual for its machines, unless somebody says otherwise', async () => {
  const big = { nodes: 24, shards: { data: 16, parity: 4 }, dataBytes: 2 * 2 ** 30 };
  const small = { nodes: 8, shards: { data: 4, parity: 2 }, dataBytes: 200_000_000 };
  assert.deepEqual(await sizeOf({}), big);
  assert.deepEqual(await sizeOf({ data: 2 ** 26 }), { ...big, dataBytes: 2 ** 26 });
  assert.deepEqual(await sizeOf({ nodes: '8' }), small);
  const shards = { data: 2, parity: 1 };
  assert.deepEqual(await sizeOf({ nodes: '8', shards: '2+1' }), { ...small, shards });
});

test('a person is asked for machines first, and then what fits them', async () => {
  const { answers, shown } = await typing(
    (asked) => chooseSize({}, demo, (some, known) => askQuestions(some, known, asked)),
    [
      ['How many machines', `${down}${enter}`],
      ['Data and parity shards', enter],
      ['How much data', `1MB${enter}`],
      ['give a size such as', `${back.repeat(3)}60MB${enter}`],
    ],
  );
  const shards = { data: 4, parity: 2 };
  assert.deepEqual(answers, { nodes: 8, shards, dataBytes: 60_000_000 });
  // What it takes is told before somebody chooses.
  assert.match(shown, /24 in 6 farms: 2GiB of data, 6\d(\.\d)? GiB of disk, \d+ minutes/);
});

test('what is answered already is not asked', async () => {
  const given = { nodes: '8', data: 60_000_000 };
  const { shown } = await typing(
    (asked) => chooseSize(given, demo, (some, known) => askQuestions(some, known, asked)),
    [['Data and parity shards', enter]],
  );
  assert.ok(!/How (many|much)/.test(shown), shown);
});

test('shards that a town cannot keep are refused with some that it can', async () => {
  const misfits = [
    ['8', '16+4'],
    ['8', '5+2'],
    ['8', '3+3'],
    ['24', '17+4'],
    ['24', '2+9'],
  ] as const;
  for (const [nodes, shards] of misfits) {
    const refused = await sizeOf({ nodes, shards }).catch((error: unknown) => error);
    assert.ok(isGridError(refused, 'GRID_USAGE'), `${nodes} machines, ${shards}`);
    const [, better = ''] = /--shards (\S+)$/.exec(refused.hint ?? '') ?? [];
    await sizeOf({ nodes, shards: better });
  }
});

const wrong = [
  [{ nodes: '9' }, 'SOLUTION_ANSWER_INVALID', /nodes: give one of "24", "8"/],
  [{ nodes: '8', data: '1MB' }, 'SOLUTION_ANSWER_INVALID', /data: give a size .* 32 MiB to 1 TiB/],
  [{ nodes: '8', shards: '4' }, 'SOLUTION_ANSWER_INVALID', /shards: give two numbers such as 4\+2/],
  [{ machines: '8' }, 'SOLUTION_ANSWER_UNKNOWN', /archive does not ask "machines"/],
  [{ nodes: '8', shards: '16+4' }, 'GRID_USAGE', /8 machines are too few for 16\+4 shards/],
] as const;
for (const [answers, code, says] of wrong) {
  test(`a demo refuses the answers ${JSON.stringify(answers)} before it begins`, async () => {
    await using folder = await tempFolder('demo-size');
    const file = join(folder.path, 'answers.json');
    await writeFile(file, JSON.stringify(answers));
    const running = runCommand(folder.path, ['demo', 'archive', '--answers', file]);
    await assert.rejects(running, (error: Error & { readonly hint?: string }) => {
      assert.match(error.message, says);
      assert.notEqual(error.hint ?? '', '');
      return hasCode(code)(error);
    });
  });
}

test('a file of answers that is not there, or is none, is told with where its form is', async () => {
  await using folder = await tempFolder('demo-size');
  const file = join(folder.path, 'answers.json');
  const form = { code: 'GRID_FILE_UNREADABLE', hint: /grid demo archive --schema/ };
  const words = ['demo', 'archive', '--answers', file];
  await assert.rejects(runCommand(folder.path, words), form);
  await writeFile(file, '{');
  await assert.rejects(runCommand(folder.path, words), form);
});

test('options go before a file of answers', async () => {
  await using folder = await tempFolder('demo-size');
  const file = join(folder.path, 'answers.json');
  await writeFile(file, JSON.stringify({ nodes: '24', shards: '17+4' }));
  const words = ['demo', 'archive', '--answers', file, '--nodes', '8'];
  await assert.rejects(runCommand(folder.path, words), /^GridError: 8 machines .* 17\+4/);
});

test('the schema of the answers has a property for each question', async () => {
  await using folder = await tempFolder('demo-size');
  const { printed } = await runCommand(folder.path, ['demo', 'archive', '--schema']);
  const { properties, required } = JSON.parse(printed) as {
    readonly properties: object;
    readonly required: readonly string[];
  };
  assert.deepEqual(Object.keys(properties), ['$schema', 'nodes', 'shards', 'data']);
  assert.deepEqual(required, []);
});
