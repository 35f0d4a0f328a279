import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '@commongrid/base';
import { hasCode, ManualClock } from '@commongrid/base/testing';
import { holdAction, servesAction } from '../src/care/hold-action.ts';
import { CatalogFixture, registersOf, setRegister } from './support/catalog-fixture.ts';

const notServing = hasCode('ZSTOR_CATALOG_NOT_SERVING');

test('changes of the catalogue wait while somebody holds it, and are kept once he goes', async () => {
  await using fixture = await CatalogFixture.open();
  const head = await fixture.serving('a');
  await head.write(setRegister('before', 1));
  const { index } = head;
  const gone = new AbortController();
  const held = Promise.withResolvers<void>();
  // Its 5 s are never over.
  const holding = holdAction(head, new ManualClock())(
    {},
    { signal: gone.signal, progress: () => held.resolve() },
  );
  await held.promise;
  const change = head.write(setRegister('meanwhile', 2));
  const first = await Promise.race([change.then(() => 'kept'), tenTurns().then(() => 'waits')]);
  assert.equal(first, 'waits');
  assert.equal(head.index, index);
  gone.abort();
  await assert.rejects(holding, hasCode('BASE_ABORTED'));
  await change;
  assert.deepEqual(registersOf(head), { before: 1, meanwhile: 2 });
});

test('a hold of the catalogue ends by itself', async () => {
  await using fixture = await CatalogFixture.open();
  const head = await fixture.serving('a');
  const clock = { ...systemClock, setTimer: (_: number, fn: () => void) => soon(fn) };
  const { signal } = new AbortController();
  const result = await holdAction(head, clock)({}, { signal, progress: () => {} });
  assert.deepEqual(result, { isHeld: false });
  await head.write(setRegister('after', 3));
});

test('whoever held a head is told when another one took over meanwhile', async () => {
  await using fixture = await CatalogFixture.open();
  const head = await fixture.serving('a');
  const { epoch } = head;
  const gone = new AbortController();
  const context = { signal: gone.signal, progress: (): void => {} };
  const hold = holdAction(head, new ManualClock());
  const held = Promise.withResolvers<unknown>();
  const holding = hold({}, { signal: gone.signal, progress: held.resolve });
  const ended = assert.rejects(holding, hasCode('BASE_ABORTED'));
  assert.deepEqual(await held.promise, { isHeld: true, epoch });
  const serves = servesAction(head);
  assert.deepEqual(await serves({ epoch }, context), { isServing: true });
  await assert.rejects(serves({ epoch: epoch - 1 }, context), notServing);

  await fixture.serving('b');
  await assert.rejects(serves({ epoch }, context), notServing);
  await assert.rejects(hold({}, context), notServing);
  gone.abort();
  await ended;
});

async function tenTurns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) {
    await new Promise<void>((resolve) => setTimeout(resolve, 10));
  }
}

function soon(fn: () => void): { cancel: () => void } {
  const timer = setImmediate(fn);
  return { cancel: () => clearImmediate(timer) };
}
