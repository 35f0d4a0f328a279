import assert from 'node:assert/strict';
import { test } from 'node:test';

import { IdLocks } from './id-locks.ts';

test('work for one id is done one after the other, and for others meanwhile', async () => {
  const locks = new IdLocks();
  const done: string[] = [];
  const gates = new Map<string, PromiseWithResolvers<void>>();
  const start = (id: string, name: string): Promise<void> => {
    const gate = Promise.withResolvers<void>();
    gates.set(name, gate);
    return locks.run(id, async () => {
      done.push(`${name} begins`);
      await gate.promise;
      done.push(`${name} ends`);
    });
  };
  const first = start('a', 'first');
  const second = start('a', 'second');
  gates.get('first')?.resolve();
  await first;
  const third = start('a', 'third');
  const other = start('b', 'other');
  gates.get('other')?.resolve();
  gates.get('third')?.resolve();
  await other;
  gates.get('second')?.resolve();
  await Promise.all([second, third, locks.idle()]);
  const ofA = done.filter((step) => !step.startsWith('other'));
  const inTurn = ['first', 'second', 'third'].flatMap((name) => [`${name} begins`, `${name} ends`]);
  assert.deepEqual(ofA, inTurn);
  assert.ok(done.indexOf('other ends') < done.indexOf('second ends'));
});
