import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';

import { TamperingMirror } from './tampering-mirror.ts';

const contents = ['one', 'two', 'three'].map((text) => Buffer.from(text));
const chunks = new Map(contents.map((content) => [hashOf(content), content]));

function hashOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

async function serveChunks(from: IncomingMessage, to: ServerResponse): Promise<void> {
  if (from.method === 'GET') {
    const content = chunks.get(from.url?.split('/').at(-1) ?? '');
    to.writeHead(content === undefined ? 404 : 200).end(content);
    return;
  }
  const asked = (await buffer(from)).toString('hex').match(/.{64}/g) ?? [];
  for (const hash of asked) {
    const content = chunks.get(hash);
    const header = Buffer.alloc(36);
    header.write(hash, 'hex');
    header.writeUInt32BE(content?.length ?? 0xff_ff_ff_ff, 32);
    to.write(Buffer.concat([header, content ?? Buffer.alloc(0)]));
  }
  to.end();
}

/** A hub that gives chunks by name, and in batches. @returns its origin */
async function openHub(stack: AsyncDisposableStack): Promise<string> {
  const server = createServer((from, to) => {
    serveChunks(from, to).catch(() => to.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('a tampering mirror changes one chunk, the first, whoever asks for it and how, and no other', async () => {
  await using stack = new AsyncDisposableStack();
  const mirror = await TamperingMirror.open(await openHub(stack), '127.0.0.1', stack);
  const [first = '', second = '', third = ''] = chunks.keys();
  const absent = hashOf(Buffer.from('nowhere'));
  const get = async (hash: string): Promise<Response> => fetch(`${mirror.url}/v1/chunks/${hash}`);
  assert.equal((await get(absent)).status, 404);
  assert.deepEqual([mirror.chunk, mirror.changed], [undefined, 0]);

  const body = Buffer.from([second, absent, first, third].join(''), 'hex');
  const post = { method: 'POST', body };
  const answer = Buffer.from(await (await fetch(`${mirror.url}/v1/chunks`, post)).arrayBuffer());
  const texts = ['two', '', 'one', 'three'];
  const said = texts
    .map((text) => text.length)
    .map((length, at) => {
      const from = 36 * (at + 1) + texts.slice(0, at).join('').length;
      return answer.toString('latin1', from, from + length);
    });
  assert.notEqual(said[0], 'two');
  assert.deepEqual(said.slice(1), ['', 'one', 'three']);
  assert.deepEqual([mirror.chunk, mirror.changed], [second, 1]);

  assert.notEqual(await (await get(second)).text(), 'two');
  assert.equal(await (await get(first)).text(), 'one');
  assert.deepEqual([mirror.chunk, mirror.changed], [second, 2]);
});
