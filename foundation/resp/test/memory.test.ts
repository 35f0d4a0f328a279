import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { waitFor } from '@commongrid/base';
import { RespClient } from '../src/index.ts';
import { encodeRequest } from './support/raw-peer.ts';

/**
 * 1,000 peers announce 8 MiB each and send half of it as far as they are let, 50 ask for 8 MiB
 * again and again and read nothing: together 8 GiB and more, if the server believed them.
 */
test('server stays below 1 GiB under peers that send half or never read', async () => {
  const script = new URL('support/memory-server.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const sockets: Socket[] = [];
  try {
    const port = Number((await lines.next()).value);
    const report = async (): Promise<Report> => {
      child.stdin.write('\n');
      return JSON.parse((await lines.next()).value ?? '') as Report;
    };
    const half = Buffer.alloc(4 * 1024 * 1024, 'h');
    const header = Buffer.from('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8388608\r\n');
    for (let i = 0; i < 1000; i++) {
      const socket = await join(port, sockets);
      socket.write(header);
      socket.write(half);
    }
    const gets = encodeRequest('GET', 'big').repeat(100);
    for (let i = 0; i < 50; i++) (await join(port, sockets)).write(gets);

    const isFull = async (): Promise<boolean> => {
      const { partialBytes, unsentBytes } = await report();
      return partialBytes > 240 * 1024 * 1024 && unsentBytes > 200 * 1024 * 1024;
    };
    await waitFor(isFull, { timeoutMs: 15_000, everyMs: 100, what: 'both budgets to be used up' });
    await using client = await RespClient.connect({ port });
    for (let i = 0; i < 200; i++) {
      assert.equal(await client.command(['SET', 'small', 'value']), 'OK');
      assert.deepEqual(await client.command(['GET', 'small']), Buffer.from('value'));
      await setImmediate();
    }
    const { maxRssBytes, connections } = await report();
    assert.equal(connections, 1051);
    assert.ok(maxRssBytes < 1024 ** 3, `the server used ${maxRssBytes} bytes`);
  } finally {
    for (const socket of sockets) socket.destroy();
    child.stdin.end();
    await once(child, 'exit');
  }
});

interface Report {
  readonly maxRssBytes: number;
  readonly partialBytes: number;
  readonly unsentBytes: number;
  readonly connections: number;
}

async function join(port: number, sockets: Socket[]): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  socket.pause();
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}
