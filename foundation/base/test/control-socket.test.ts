import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { askControl, ControlSocket, delay, GridError, waitFor } from '../src/index.ts';
import type { ControlAction } from '../src/index.ts';
import { tempFolder } from '../src/testing/index.ts';

interface Fixture extends AsyncDisposable {
  readonly path: string;
  readonly socket: ControlSocket;
}

async function listen(
  actions: Record<string, ControlAction>,
  ...below: string[]
): Promise<Fixture> {
  const folder = await tempFolder('control');
  const inside = join(folder.path, ...below);
  await mkdir(inside, { recursive: true });
  const path = join(inside, 'control.sock');
  const socket = await ControlSocket.open({ path, actions });
  const dispose = async (): Promise<void> => {
    await socket.close();
    await folder[Symbol.asyncDispose]();
  };
  return { path, socket, [Symbol.asyncDispose]: dispose };
}

async function sendRaw(path: string, bytes: string | Buffer): Promise<unknown> {
  const caller = connect(path);
  await once(caller, 'connect');
  caller.write(bytes);
  return JSON.parse(await text(caller));
}

test('control socket gives arguments to the action and its progress and result back', async () => {
  await using fixture = await listen({
    count: async (args, { progress }) => {
      for (let at = 1; at <= Number(args['to']); at += 1) progress({ at });
      return { sum: Number(args['to']) };
    },
    nothing: async () => {},
  });
  const seen: unknown[] = [];
  const onProgress = (event: unknown): void => void seen.push(event);
  const { path } = fixture;
  assert.deepEqual(await askControl(path, 'count', { to: 2 }, { onProgress }), { sum: 2 });
  assert.deepEqual(seen, [{ at: 1 }, { at: 2 }]);
  assert.equal(await askControl(path, 'nothing'), null);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test('control socket carries errors over with code, hint and details', async () => {
  await using fixture = await listen({
    refuse: () =>
      Promise.reject(
        new GridError('ZDB_X_FULL', 'no room', { hint: 'make room', details: { bytes: 1 } }),
      ),
    break: () => Promise.reject(new TypeError('x is undefined')),
  });
  await assert.rejects(askControl(fixture.path, 'refuse'), {
    code: 'ZDB_X_FULL',
    message: 'no room',
    hint: 'make room',
    details: { bytes: 1 },
  });
  await assert.rejects(askControl(fixture.path, 'break'), { code: 'BASE_CONTROL_FAILED' });
  await assert.rejects(askControl(fixture.path, 'constructor'), { code: 'BASE_CONTROL_REQUEST' });
});

test('control socket refuses orders that it cannot read', async () => {
  await using fixture = await listen({});
  for (const order of ['\n', '{\n', '3\n', '{"action":1,"args":{}}\n', '{"action":"a"}\n']) {
    const reply = (await sendRaw(fixture.path, order)) as { error: { code: string } };
    assert.equal(reply.error.code, 'BASE_CONTROL_REQUEST', order);
  }
  const endless = Buffer.alloc(2 * 1024 * 1024, 0x61);
  const reply = (await sendRaw(fixture.path, endless)) as { error: { message: string } };
  assert.match(reply.error.message, /too long/);
});

test('an action is told to stop when its caller gives up', async () => {
  let stopped = 0;
  const begun = Promise.withResolvers<void>();
  await using fixture = await listen({
    wait: async (_args, { signal }) => {
      begun.resolve();
      await delay(60_000, { signal }).catch(() => (stopped += 1));
    },
  });
  const caller = new AbortController();
  const asking = askControl(fixture.path, 'wait', {}, { signal: caller.signal });
  await begun.promise;
  caller.abort();
  await assert.rejects(asking, { code: 'BASE_ABORTED' });
  await waitFor(() => stopped === 1, { timeoutMs: 5_000, what: 'the end of the action' });
  await assert.rejects(askControl(fixture.path, 'wait', {}, { timeoutMs: 20 }), {
    code: 'BASE_TIMEOUT',
  });
});

test('closing a control socket stops its actions and delivers their answers', async () => {
  const begun = Promise.withResolvers<void>();
  await using fixture = await listen({
    wait: async (_args, { signal }) => {
      begun.resolve();
      await delay(60_000, { signal }).catch(() => {});
      return 'stopped';
    },
  });
  const asking = askControl(fixture.path, 'wait');
  const silent = connect(fixture.path);
  await Promise.all([begun.promise, once(silent, 'connect')]);
  await Promise.all([fixture.socket.close(), once(silent, 'close')]);
  assert.equal(await asking, 'stopped');
  await assert.rejects(askControl(fixture.path, 'wait'), { code: 'BASE_CONTROL_ABSENT' });
});

test('a control socket may close in one of its own actions', async () => {
  await using fixture = await listen({
    shutdown: async () => {
      void fixture.socket.close();
      return 'bye';
    },
  });
  assert.equal(await askControl(fixture.path, 'shutdown'), 'bye');
});

test('a control socket is reached at a path that is too long for a socket', async () => {
  const below = ['x'.repeat(100), 'y'.repeat(100)];
  await using fixture = await listen({ hello: async () => 'hi' }, ...below);
  assert.equal(await askControl(fixture.path, 'hello'), 'hi');
  assert.equal((await stat(fixture.path)).mode & 0o777, 0o600);
  await assert.rejects(askControl(`${fixture.path}/none/none`, 'hello'));
});

test('a control socket takes the place of the one that a dead process left', async () => {
  await using fixture = await listen({ who: async () => 'old' });
  await using _newer = await ControlSocket.open({
    path: fixture.path,
    actions: { who: async () => 'new' },
  });
  assert.equal(await askControl(fixture.path, 'who'), 'new');
});

test('control socket says so when a result is too long', async () => {
  await using fixture = await listen({ all: async () => 'x'.repeat(2 * 1024 * 1024) });
  await assert.rejects(askControl(fixture.path, 'all'), { code: 'BASE_CONTROL_TOO_LONG' });
});
