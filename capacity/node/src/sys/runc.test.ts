import assert from 'node:assert/strict';
import { test } from 'node:test';

import { runtimeError } from './runc.ts';

function line(level: string, text: string): string {
  return `time="2026-11-20T10:00:00Z" level=${level} msg=${JSON.stringify(text)}\n`;
}

test('what runc says last is told, with why its process in the namespaces failed', () => {
  const said = [
    line('warning', 'no config for "x"'),
    line('debug', 'nsexec-1[7]: unshare remaining namespaces'),
    line('fatal', 'nsexec-1[7]: failed to unshare: No space left on device'),
    line('error', "runc create failed: can't get final child's PID from pipe: EOF"),
  ];
  const { code, message } = runtimeError(said.join(''));
  assert.equal(code, 'NODE_CONTAINER_FAILED');
  assert.equal(
    message,
    "the runtime refuses: runc create failed: can't get final child's PID from pipe: EOF; nsexec-1[7]: failed to unshare: No space left on device",
  );
});

test('a command that the image lacks has a code of its own', () => {
  const said = line('error', 'exec: "serve": executable file not found in $PATH');
  assert.equal(runtimeError(said).code, 'NODE_COMMAND_MISSING');
  assert.equal(runtimeError('killed').message, 'the runtime refuses: killed');
});
