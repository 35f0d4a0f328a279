import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { contact, ownerToken, serve, serveTeam } from './http-fixture.ts';
import type { Served } from './http-fixture.ts';

/** Everything that a server sends until it ends the connection. */
async function answerOf(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  // A peer that still sends is reset, and may lose what was said to it.
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

async function open(t: TestContext, { door }: Served): Promise<Socket> {
  const socket = connect(door.port, '127.0.0.1');
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function codeOf(response: Response): Promise<string> {
  const { code } = (await response.json()) as { readonly code: string };
  return `${response.status} ${code}`;
}

test('a body above the limit is refused before it is read', async (t) => {
  const served = await serve(t);
  const socket = await open(t, served);
  const answer = answerOf(socket);
  const length = 9 << 20;
  socket.write(
    `POST /v1/records HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n` +
      `content-length: ${length}\r\nconnection: close\r\n\r\n{`,
  );
  assert.match(await answer, /^HTTP\/1\.1 413 [\s\S]*BCDB_TOO_LARGE/);
});

test('too many records, a payload above its limit and wrong shapes are refused', async (t) => {
  const served = await serveTeam(t);
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${ownerToken}` };
  const post = (body: string): Promise<Response> =>
    fetch(`${served.url}/v1/records`, { method: 'POST', headers, body });
  const records = Array.from({ length: 1001 }, () => ({ leaf: '' }));
  assert.equal(await codeOf(await post(JSON.stringify({ records }))), '400 BCDB_REQUEST_INVALID');
  assert.equal(await codeOf(await post('{"records":[]}')), '400 BCDB_REQUEST_INVALID');
  assert.equal(await codeOf(await post('{"records":[{}],"x":1}')), '400 BCDB_REQUEST_INVALID');
  assert.equal(await codeOf(await post('{nothing')), '400 BCDB_REQUEST_INVALID');
  const put = await fetch(`${served.url}/v1/namespaces/team/objects/${contact}/big`, {
    method: 'PUT',
    headers,
    body: JSON.stringify({ name: 'x'.repeat(1 << 20) }),
  });
  assert.equal(await codeOf(put), '413 BCDB_TOO_LARGE');
  const find = await fetch(`${served.url}/v1/namespaces/team/find`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ url: contact, limit: 1001 }),
  });
  assert.equal(await codeOf(find), '400 BCDB_REQUEST_INVALID');
  const text = await fetch(`${served.url}/v1/records`, { method: 'POST', body: 'plain' });
  assert.equal(await codeOf(text), '400 BCDB_REQUEST_INVALID');
});

test('headers above their limit end the connection', async (t) => {
  const served = await serve(t);
  const socket = await open(t, served);
  const answer = answerOf(socket);
  socket.write(`GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: ${'x'.repeat(20_000)}\r\n\r\n`);
  assert.match(await answer, /^HTTP\/1\.1 431 /);
});

test('a client that never ends its headers or its body is cut', async (t) => {
  const served = await serve(t, { timeouts: { headersMs: 200, requestMs: 400 } });
  const slowHeaders = await open(t, served);
  const slowBody = await open(t, served);
  const answers = Promise.all([answerOf(slowHeaders), answerOf(slowBody)]);
  slowHeaders.write('GET /healthz HTTP/1.1\r\nhost: x\r\n');
  slowBody.write(
    'POST /v1/challenge HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{',
  );
  const drip = setInterval(() => {
    if (!slowHeaders.destroyed) slowHeaders.write('x-a: b\r\n');
  }, 20);
  t.after(() => clearInterval(drip));
  const [headers, body] = await answers;
  assert.match(headers, /^HTTP\/1\.1 408 /);
  assert.match(body, /^(?:HTTP\/1\.1 408 |$)/);
  assert.equal((await fetch(`${served.url}/healthz`)).status, 200);
});

test('a connection that does nothing is closed', async (t) => {
  const served = await serve(t, { timeouts: { idleMs: 200 } });
  const socket = await open(t, served);
  await answerOf(socket);
  assert.ok(socket.destroyed);
});
