import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { RespClient } from '@commongrid/resp';
import type { ZdbServerOptions } from '../src/index.ts';
import { field, show } from './support/door.ts';

const MIB = 1024 * 1024;
const HALF_SENDERS = 1000;
const NON_READERS = 50;
const GETS_EACH = 10_000;

/**
 * 1,000 peers send half of a SET of 8 MiB, as far as they are let; 50 ask 10,000 times for 1 MiB
 * and read nothing: half a TiB of replies, if the server wrote them.
 */
test('server stays below 1 GiB and serves others under peers that send half or never read', async () => {
  await using temp = await tempFolder('zdb-memory');
  const options: ZdbServerOptions = {
    dataDir: `${temp.path}/data`,
    listen: [{ host: '127.0.0.1', port: 0 }],
  };
  const script = new URL('processes/peer.ts', import.meta.url).pathname;
  const args = [script, JSON.stringify(options)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const sockets: Socket[] = [];
  try {
    const [line = ''] = (await once(createInterface({ input: child.stdout }), 'line')) as string[];
    const [{ port } = { port: 0 }] = JSON.parse(line.slice('ready '.length)) as { port: number }[];
    await using client = await RespClient.connect({ port });
    await client.command(['SET', 'big', Buffer.alloc(MIB, 'b')]);

    const half = Buffer.concat([
      Buffer.from('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8388608\r\n'),
      Buffer.alloc(4 * MIB, 'h'),
    ]);
    const gets = '*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n'.repeat(GETS_EACH);
    for (let i = 0; i < HALF_SENDERS; i++) (await join(port, sockets)).write(half);
    for (let i = 0; i < NON_READERS; i++) (await join(port, sockets)).write(gets);
    const isPressed = async (): Promise<boolean> => {
      const info = show(await client.command(['INFO', 'stats']));
      const partial = Number(field(info, 'partial_request_bytes'));
      return partial > 240 * MIB && Number(field(info, 'unsent_bytes')) > NON_READERS * MIB;
    };
    const soon = { timeoutMs: 60_000, everyMs: 50 };
    await waitFor(isPressed, { ...soon, what: 'requests and replies to pile up' });

    for (let i = 0; i < 200; i++) {
      assert.deepEqual(await client.command(['SET', `small${i}`, 'v']), Buffer.from(`small${i}`));
      assert.deepEqual(await client.command(['GET', `small${i}`]), Buffer.from('v'));
    }
    const status = await readFile(`/proc/${child.pid}/status`, 'latin1');
    const mostBytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
    assert.ok(mostBytes < 1024 * MIB, `the server used ${mostBytes} bytes`);

    child.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
  } finally {
    for (const socket of sockets) socket.destroy();
    child.kill('SIGKILL');
    await exited;
  }
});

async function join(port: number, sockets: Socket[]): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  socket.pause();
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}
