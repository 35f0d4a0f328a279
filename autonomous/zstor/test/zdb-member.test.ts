import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import { ZdbMember } from '../src/catalog/zdb-member.ts';

const inTime = { timeout: 60_000 };

test('a member whose server stands still once it is connected is tried again', inTime, async () => {
  const sockets: Socket[] = [];
  // It takes the namespace, and says nothing from then on.
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {}).once('data', () => socket.write('+OK\r\n'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const member = new ZdbMember({ name: 'm', port, namespace: 'n', timeoutMs: 300 });
  const failed = { code: 'ZSTOR_CATALOG_MEMBER_FAILED' };
  const identity = Buffer.alloc(32, 1);
  await assert.rejects(member.bind({ fence: 1, identity, isNew: false }), failed);
  while (sockets.length < 2) await assert.rejects(member.timeMs(), failed);
  // Also one that is on its way holds up nobody.
  const asked = assert.rejects(member.timeMs(), failed);
  await member.close();
  await asked;
  for (const socket of sockets) socket.destroy();
  server.close();
  await once(server, 'close');
});
