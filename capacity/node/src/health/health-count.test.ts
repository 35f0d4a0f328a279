import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Health } from '@commongrid/model';
import fc from 'fast-check';

import { countProbe, healthAtStart } from './health-count.ts';
import type { HealthState } from './health-count.ts';

const health: Health = {
  probe: 'tcp',
  everySeconds: 1,
  timeoutSeconds: 1,
  failures: 3,
  startSeconds: 10,
};

/** Standings after each probe: `+` good, `-` bad, one a second from the first second on. */
function standings(probes: string, from: HealthState = healthAtStart): string {
  let state = from;
  const letters = probes.split('').map((sign, i) => {
    state = countProbe(health, state, { isGood: sign === '+', runningMs: i * 1_000 });
    return state.standing[0];
  });
  return letters.join('');
}

test('health begins with the first good probe', () => {
  assert.equal(standings('--+'), 'ssh');
});

test('health does not count failures of the start', () => {
  assert.equal(standings('------------+'), 'ssssssssssssh');
  assert.equal(standings('-------------'), 'ssssssssssssu');
  assert.equal(standings('+---------+'), 'hhhhhhhhhhh');
});

test('health changes after so many probes in a row, either way', () => {
  const late = '+'.repeat(10);
  assert.equal(standings(`${late}--+---++-+++`).slice(10), 'hhhhhuuuuuuh');
});

test('health needs at least so many probes against it to change', () => {
  const probes = fc.array(fc.boolean(), { maxLength: 60 });
  fc.assert(
    fc.property(probes, (all) => {
      let state = healthAtStart;
      let inARow = 0;
      for (const [i, isGood] of all.entries()) {
        inARow = all[i - 1] === isGood ? inARow + 1 : 1;
        const next = countProbe(health, state, { isGood, runningMs: i * 1_000 });
        if (next.standing !== state.standing && state.standing !== 'starting') {
          assert.ok(inARow >= health.failures);
        }
        assert.ok(next.against < health.failures);
        state = next;
      }
    }),
  );
});
