import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { GridError, isAlive, identityOf, waitFor } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import type { Workload } from '@commongrid/model';
import { fakeId, MemoryGrid } from '@commongrid/model/testing';

import { callExec, callLogs, callRestart } from '../src/access/access-call.ts';
import { AccessDoor } from '../src/access/access-door.ts';
import type { ContainerProcess, TerminalSize } from '../src/container/container-exec.ts';
import { LogRing } from '../src/logs/log-ring.ts';
import type { ContainerAccess } from '../src/machine/machine.ts';
import { shortIdOf } from '../src/short-id.ts';

const workload = fakeId.workload(fakeId.contract(1), 'web', 0);
const goodToken = 'good';

/** A door whose containers are processes of this machine, and which knows one good token. */
async function openDoor(
  own: Partial<ContainerAccess> = {},
  restart = async (): Promise<void> => {},
  kind: Workload['kind'] = 'container',
) {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await tempFolder('door'));
  const pids: number[] = [];
  const sizes: TerminalSize[] = [];
  const grid = new MemoryGrid();
  const path = join(folder, 'access.sock');
  const door = stack.use(
    await AccessDoor.open({
      path,
      desk: {
        verify: async (token, verb) => {
          if (token !== goodToken) throw new GridError('NODE_TOKEN_INVALID', 'this is no token');
          return { workload, verb } as never;
        },
      },
      view: () => ({ grid, moment: grid.moment, revisionOf: () => 1 }),
      kindOf: (id) => (id === workload ? kind : undefined),
      restart: async (id) => {
        assert.equal(id, workload);
        await restart();
      },
      containers: {
        exec: async (key, command) => {
          assert.equal(key, shortIdOf(workload));
          return processOf(command, pids, sizes);
        },
        stats: async () => undefined,
        readLog: () => LogRing.open({ folder, reopen: async () => false }),
        ...own,
      },
    }),
  );
  const owned = stack.move();
  const run = (command: readonly string[], more: Partial<Parameters<typeof callExec>[0]> = {}) => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const usual = { path, token: goodToken, command, stdin: Readable.from([]), stdout, stderr };
    return { exitCode: callExec({ ...usual, ...more }), stdout, stderr };
  };
  return {
    ...{ door, folder, path, pids, sizes, run },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function processOf(
  [program = '', ...args]: readonly string[],
  pids: number[],
  sizes: TerminalSize[],
): ContainerProcess {
  const child = spawn(program, args, { stdio: 'pipe' });
  pids.push(child.pid ?? 0);
  const closed = once(child, 'close') as Promise<[number | null]>;
  child.stdin.on('error', () => {});
  return {
    ...{ stdin: child.stdin, stdout: child.stdout, stderr: child.stderr },
    exited: closed.then(([code]) => code ?? 137),
    resize: async (size) => void sizes.push(size),
    kill: async () => {
      child.kill('SIGKILL');
      await closed;
    },
  };
}

test('exec passes input, both outputs and the exit code', async () => {
  await using door = await openDoor();
  const input = Buffer.alloc(3_000_000, 'abc');
  const { exitCode, stdout, stderr } = door.run(['sh', '-c', 'cat; echo bad >&2; exit 3'], {
    stdin: Readable.from([input.subarray(0, 1_000_000), input.subarray(1_000_000)]),
  });
  const printed = text(stdout);
  assert.equal(await exitCode, 3);
  stdout.end();
  stderr.end();
  assert.equal(await printed, input.toString());
  assert.equal(await text(stderr), 'bad\n');
});

test('exec without a good token runs nothing', async () => {
  await using door = await openDoor();
  const { exitCode } = door.run(['true'], { token: 'bad' });
  await assert.rejects(exitCode, hasCode('NODE_TOKEN_INVALID'));
  assert.deepEqual(door.pids, []);
});

test('exec that cannot be started says why', async () => {
  const exec = async (): Promise<never> => {
    throw new GridError('NODE_COMMAND_MISSING', 'there is no such program', { hint: 'look' });
  };
  await using door = await openDoor({ exec });
  await assert.rejects(door.run(['nothing']).exitCode, hasCode('NODE_COMMAND_MISSING'));
});

test('restart waits until it runs again, says why it does not, and lets nobody else ask for it', async () => {
  const asked: PromiseWithResolvers<void>[] = [];
  await using door = await openDoor({}, () => {
    const one = Promise.withResolvers<void>();
    asked.push(one);
    return one.promise;
  });
  const { path } = door;
  await assert.rejects(callRestart({ path, token: 'bad' }), hasCode('NODE_TOKEN_INVALID'));
  assert.equal(asked.length, 0);
  for (const fails of [false, true]) {
    const count = asked.length + 1;
    const call = callRestart({ path, token: goodToken });
    let isOver = false;
    const over = call.then(
      () => (isOver = true),
      () => (isOver = true),
    );
    await waitFor(() => asked.length === count, { timeoutMs: 60_000, what: 'the order' });
    assert.equal(isOver, false);
    if (fails) asked.at(-1)?.reject(new GridError('NODE_RESTART_OVERTAKEN', 'it is to stop'));
    else asked.at(-1)?.resolve();
    if (fails) await assert.rejects(call, hasCode('NODE_RESTART_OVERTAKEN'));
    await over;
  }
});

test('restart of what is no container is refused, and nothing of it ends', async () => {
  let count = 0;
  const restart = async (): Promise<void> => void count++;
  await using door = await openDoor({}, restart, 'zdb');
  const call = callRestart({ path: door.path, token: goodToken });
  await assert.rejects(call, hasCode('NODE_NOT_CONTAINER'));
  assert.equal(count, 0);
});

test('restart holds up no door that closes', async () => {
  let count = 0;
  await using door = await openDoor({}, () => {
    count++;
    return new Promise(() => {});
  });
  const call = callRestart({ path: door.path, token: goodToken });
  call.catch(() => {});
  await waitFor(() => count === 1, { timeoutMs: 60_000, what: 'the order' });
  await door.door.close();
  await assert.rejects(call, hasCode('NODE_ACCESS_LOST'));
});

test('exec ends with its caller', async () => {
  await using door = await openDoor();
  const caller = new AbortController();
  const { exitCode } = door.run(['sleep', '600'], {
    stdin: new PassThrough(),
    signal: caller.signal,
  });
  await waitFor(() => door.pids.length === 1, { timeoutMs: 60_000, what: 'the command' });
  const identity = await identityOf(door.pids[0] ?? 0);
  assert.ok(identity !== undefined);
  caller.abort();
  await assert.rejects(exitCode, hasCode('NODE_ACCESS_LOST'));
  await waitFor(async () => !(await isAlive(identity)), { timeoutMs: 60_000, what: 'its end' });
});

test('exec ends when the door closes', async () => {
  await using door = await openDoor();
  const { exitCode } = door.run(['sleep', '600'], { stdin: new PassThrough() });
  exitCode.catch(() => {});
  await waitFor(() => door.pids.length === 1, { timeoutMs: 60_000, what: 'the command' });
  await door.door.close();
  await assert.rejects(exitCode, hasCode('NODE_ACCESS_LOST'));
});

test('exec holds a command back whose output nobody takes', async () => {
  let producedBytes = 0;
  const piece = Buffer.alloc(64 * 1024);
  const stdout = new Readable({
    read() {
      producedBytes += piece.length;
      setImmediate(() => this.push(piece));
    },
  });
  const over = Promise.withResolvers<number>();
  const exec = async (): Promise<ContainerProcess> => ({
    stdin: new PassThrough(),
    stdout,
    stderr: Readable.from([]),
    exited: over.promise,
    resize: async () => {},
    kill: async () => {
      stdout.push(null);
      over.resolve(137);
    },
  });
  await using door = await openDoor({ exec });
  const caller = new AbortController();
  // Takes the first piece, and then no more.
  const blocked = new Writable({ write: () => {} });
  const { exitCode } = door.run(['yes'], { stdout: blocked, signal: caller.signal });
  exitCode.catch(() => {});
  await waitFor(() => producedBytes > 0, { timeoutMs: 60_000, what: 'output' });
  for (let turn = 0; turn < 2_000; turn++) {
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  assert.ok(producedBytes < 2_000_000, `${producedBytes} bytes were taken in`);
  caller.abort();
  await over.promise;
});

test('exec tells the command when its terminal gets another size', async () => {
  await using door = await openDoor();
  const listeners: ((size: TerminalSize) => void)[] = [];
  const stdin = new PassThrough();
  const { exitCode } = door.run(['cat'], {
    ...{ stdin, terminal: { rows: 24, columns: 80 } },
    onResize: (told) => {
      listeners.push(told);
      return { [Symbol.dispose]: () => void listeners.pop() };
    },
  });
  await waitFor(() => listeners.length === 1, { timeoutMs: 60_000, what: 'a listener' });
  listeners[0]?.({ rows: 50, columns: 120 });
  await waitFor(() => door.sizes.length === 1, { timeoutMs: 60_000, what: 'the size' });
  assert.deepEqual(door.sizes, [{ rows: 50, columns: 120 }]);
  stdin.end();
  assert.equal(await exitCode, 0);
});

test('logs give the last lines, and then what comes', async () => {
  await using door = await openDoor();
  const file = join(door.folder, 'log');
  await writeFile(file, [1, 2, 3].map((n) => logLine(`line ${n}`)).join(''));
  const { path } = door;
  const last: string[] = [];
  for await (const line of callLogs({ path, token: goodToken, tail: 2, follow: false })) {
    last.push(line.text);
  }
  assert.deepEqual(last, ['line 2', 'line 3']);
  const seen: string[] = [];
  for await (const line of callLogs({ path, token: goodToken, tail: 1, follow: true })) {
    seen.push(line.text);
    if (seen.length === 1) await appendFile(file, logLine('line 4'));
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, ['line 3', 'line 4']);
  const refused = callLogs({ path, token: 'bad', tail: 1, follow: false });
  await assert.rejects(refused.next(), hasCode('NODE_TOKEN_INVALID'));
});

test('a door refuses what is no request', async () => {
  await using door = await openDoor();
  const requests = [
    'no JSON',
    '[]',
    '{"v":2,"verb":"exec","token":"good","command":["true"]}',
    '{"v":1,"verb":"exec","token":"good","command":[]}',
    '{"v":1,"verb":"exec","token":"good","command":["true"],"terminal":{"rows":0,"columns":1}}',
    '{"v":1,"verb":"logs","token":"good","tail":-1,"follow":true}',
    '{"v":1,"verb":"erase","token":"good"}',
  ];
  for (const request of requests) {
    const socket = connect(door.path);
    socket.write(`${request}\n`);
    const answer = await text(socket);
    assert.match(answer, /NODE_ACCESS_INVALID/, request);
  }
  assert.deepEqual(door.pids, []);
});

test('a door ends the command of a caller who sends what is no frame', async () => {
  await using door = await openDoor();
  const socket = connect(door.path);
  socket.write('{"v":1,"verb":"exec","token":"good","command":["sleep","600"]}\n');
  socket.write(Buffer.from([9, 0, 0, 0, 0]));
  assert.match(await text(socket), /NODE_ACCESS_INVALID/);
  assert.equal(door.pids.length, 1);
});

test('a call to where no node is says so', async () => {
  await using folder = await tempFolder('door');
  const path = join(folder.path, 'access.sock');
  const lines = callLogs({ path, token: goodToken, tail: 1, follow: false });
  await assert.rejects(lines.next(), hasCode('NODE_ABSENT'));
});

function logLine(line: string): string {
  return `2026-11-21T22:26:27.123456789+00:00 stdout F ${line}\n`;
}
