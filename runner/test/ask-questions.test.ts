import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';
import { findSolution, openQuestions, withDefaults } from '@commongrid/solutions';
import type { Answers } from '@commongrid/solutions';

import { askQuestions } from '../src/solutions/ask-questions.ts';
import { keys, typing } from './fixtures/typing.ts';
import type { Press } from './fixtures/typing.ts';

const { enter, down, back, controlC } = keys;
const draw = (count: number): Uint8Array => new Uint8Array(count).fill(9);

function typed(given: Answers, presses: readonly Press[], solution = 'redis') {
  return typing((asked) => askQuestions(findSolution(solution), given, asked), presses);
}

const most = {
  ...{ name: 'cache', size: 2 ** 30, memory: 2 ** 27, cpu: 0.5, publish: 6379 },
  ...{ image: 'redis', full: 'refuse', password: 'open-sesame' },
};

test('a person is asked what is not answered, and again where the answer is wrong', async () => {
  const { size: _size, full: _full, password: _password, ...given } = most;
  const { answers, shown } = await typed(given, [
    ['Disk for its data', `tiny${enter}`],
    ['give a size such as 10GiB', `${back.repeat(4)}2GiB${enter}`],
    ['What happens to new values', `${down}${enter}`],
    ['Password', `hidden-words${enter}`],
  ]);
  assert.deepEqual(answers, { ...given, size: 2 ** 31, full: 'forget', password: 'hidden-words' });
  assert.deepEqual(openQuestions(findSolution('redis'), answers), []);
  assert.ok(!shown.includes('hidden-words'));
  assert.ok(!shown.includes('What it is called'));
});

test('Enter takes the default, and makes a password', async () => {
  const { name: _name, cpu: _cpu, password: _password, ...given } = most;
  const { answers } = await typed(given, [
    ['What it is called', enter],
    ['Cores', enter],
    ['Password', enter],
  ]);
  assert.deepEqual([answers['name'], answers['cpu']], ['redis', 0.5]);
  assert.match(String(answers['password']), /^[\w-]{32}$/);
});

test('who leaves the questions deploys nothing', async () => {
  const { name: _name, ...given } = most;
  await assert.rejects(typed(given, [['What it is called', controlC]]), hasCode('GRID_USAGE'));
});

test('an answer of a file is refused where what is typed leaves no question to it', async () => {
  const page = { page: '<h1>hello</h1>' };
  const { image: _image, ...given } = withDefaults(findSolution('web-app'), page, draw);
  const answering = typed(given, [['Image', `mine${enter}`]], 'web-app');
  await assert.rejects(answering, hasCode('SOLUTION_ANSWER_INVALID'));
});
