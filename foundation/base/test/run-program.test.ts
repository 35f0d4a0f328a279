import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isGridError, runProgram } from '../src/index.ts';

test('a program gets its input and gives what it prints', async () => {
  assert.equal(await runProgram('cat', [], { input: 'tea' }), 'tea');
  assert.equal(await runProgram('cat', []), '');
  assert.equal(await runProgram('sh', ['-c', 'echo $A'], { env: { A: '1', PATH: '/bin' } }), '1\n');
});

test('a program that fails says why, and with which status', async () => {
  await assert.rejects(runProgram('sh', ['-c', 'echo no room >&2; exit 3']), (error: unknown) => {
    assert.ok(isGridError(error, 'BASE_PROGRAM_FAILED'));
    assert.equal(error.message, 'sh failed: no room');
    assert.equal(error.details['status'], 3);
    return true;
  });
  await assert.rejects(runProgram('no-such-program', []), { code: 'BASE_PROGRAM_MISSING' });
});

test('a program that takes too long or is not wanted any more is killed', async () => {
  await assert.rejects(
    runProgram('sleep', ['60'], { timeoutMs: 50 }),
    (error: unknown) =>
      isGridError(error, 'BASE_PROGRAM_FAILED') && error.details['status'] === 'SIGKILL',
  );
  const signal = AbortSignal.timeout(50);
  await assert.rejects(runProgram('sleep', ['60'], { signal }), { code: 'BASE_ABORTED' });
});

test('input that a program does not read is no failure', async () => {
  assert.equal(await runProgram('true', [], { input: 'x'.repeat(1_000_000) }), '');
});
