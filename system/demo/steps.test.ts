import assert from 'node:assert/strict';
import { test } from 'node:test';

import { attempt, lastLine, reportOf, runSteps, stepLine } from './steps.ts';
import type { DemoStep, StepListener } from './steps.ts';

const fine: DemoStep<string[]> = { name: 'fine', run: async (said) => `said ${said.push('fine')}` };
const broken: DemoStep<string[]> = {
  name: 'broken',
  run: async () => {
    throw new Error('no promise was kept');
  },
};
const late: DemoStep<string[]> = { ...fine, name: 'late', needs: ['fine', 'broken'] };
const last: DemoStep<string[]> = { ...fine, name: 'last', needs: ['fine'] };

const { signal } = new AbortController();
const silent = { listener: { onResult: () => {} }, signal };

test('a step that fails takes along those that need it, and no others', async () => {
  const said: string[] = [];
  const told: string[] = [];
  const listener: StepListener = {
    onStart: (name) => told.push(`${name} begins`),
    onResult: ({ name }) => told.push(name),
  };
  const results = await runSteps([fine, broken, late, last], said, { listener, signal });
  assert.deepEqual(
    results.map(({ name, passed, figure }) => [name, passed, figure]),
    [
      ['fine', true, 'said 1'],
      ['broken', false, 'no promise was kept'],
      ['late', false, 'not tried: it needs broken'],
      ['last', true, 'said 2'],
    ],
  );
  const begun = ['fine begins', 'fine', 'broken begins', 'broken', 'late', 'last begins', 'last'];
  assert.deepEqual(told, begun);
});

test('what needs a step that was not tried is not tried either', async () => {
  const after: DemoStep<string[]> = { ...fine, name: 'after', needs: ['late'] };
  const results = await runSteps([broken, late, after], [], silent);
  assert.equal(results[2]?.figure, 'not tried: it needs late');
});

test('after an abort no step is tried', async () => {
  const over = new AbortController();
  const ending: DemoStep<string[]> = {
    name: 'ending',
    run: async () => {
      over.abort();
      return 'done';
    },
  };
  const said: string[] = [];
  const options = { ...silent, signal: over.signal };
  const results = await runSteps([ending, broken, fine], said, options);
  assert.deepEqual(
    results.map(({ passed, figure }) => [passed, figure]),
    [
      [true, 'done'],
      [false, 'not tried: it was ended'],
      [false, 'not tried: it was ended'],
    ],
  );
  assert.deepEqual(said, []);
});

test('a step alone fails with the text of its error', async () => {
  const step = { name: 'odd', run: () => Promise.reject(new Error('odd')) };
  const { passed, figure } = await attempt(step, undefined);
  assert.deepEqual([passed, figure], [false, 'odd']);
});

test('numbers of a step stand beside what people read, and a failure has none', async () => {
  const measures = { healedSeconds: 12.5 };
  const step = { name: 'healed', run: async () => ({ figure: 'after 12.5 s', measures }) };
  const done = await attempt(step, undefined);
  assert.deepEqual([done.figure, done.measures], ['after 12.5 s', measures]);
  const [, failed] = await runSteps([fine, broken], [], silent);
  assert.deepEqual(failed?.measures, {});
});

test('a step is one line, and the last line counts them', () => {
  const measures = {};
  const result = {
    name: 'payment',
    passed: true,
    seconds: 12.34,
    figure: '10 places paid',
    measures,
  };
  assert.equal(stepLine(result), 'PASS   12.3 s  payment: 10 places paid');
  const failed = { ...result, passed: false, seconds: 0 };
  assert.equal(stepLine(failed), 'FAIL    0.0 s  payment: 10 places paid');
  const report = reportOf([result, failed, result], performance.now());
  assert.equal(lastLine('archive', report), 'demo archive: 2 passed, 1 failed in 0 s');
});
