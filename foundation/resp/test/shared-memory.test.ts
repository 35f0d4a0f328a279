import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { largeMemory, seededRandom } from '@commongrid/base';
import { RespClient } from '../src/index.ts';
import type { ConnectionHandler } from '../src/index.ts';
import { openToyStore, toyHandler } from './support/toy-store.ts';
import { encodeRequest, RawPeer } from './support/raw-peer.ts';

const KIB = 1024;
const PEERS = 6;
const ROUNDS = 40;

/**
 * CHECK value: looks twice at a value that begins and ends with the same byte as all the rest of
 * it, in shared memory and after a while, and answers how many of its bytes are others.
 */
function checkingHandler(random: () => number): ConnectionHandler {
  return {
    handle(request, { reply }) {
      const value = request.view(1);
      const shared = request.share();
      const others = (): number => value.length - countOf(value, value[0] ?? 0);
      const delayMs = Math.floor(random() * 4);
      if (delayMs === 0) {
        reply.integer(others());
        // As a batch that is written after the request: the connection reads on meanwhile.
        if (shared !== undefined) setTimeout(() => shared.letGo(), 2);
        return undefined;
      }
      return (async () => {
        await wait(delayMs);
        reply.integer(others());
        shared?.letGo();
      })();
    },
  };
}

function countOf(bytes: Buffer, byte: number): number {
  let count = 0;
  for (const each of bytes) if (each === byte) count++;
  return count;
}

test('server mixes no bytes of peers whose requests share memory', async () => {
  const random = seededRandom(11);
  const next = (): number => random.int(0, 999) / 1000;
  await using server = await openToyStore({ onConnection: () => checkingHandler(next) });
  const port = server.addresses[0]?.port ?? 0;
  const work = async (peer: number): Promise<void> => {
    await using client = await RespClient.connect({ port });
    for (let round = 0; round < ROUNDS; round++) {
      const sizes = Array.from({ length: 3 }, () => random.int(1, 400) * KIB + peer);
      const values = sizes.map((size, i) => Buffer.alloc(size, peer * 40 + ((round + i) % 40)));
      const replies = values.map((value) => client.command(['CHECK', value]));
      assert.deepEqual(await Promise.all(replies), [0, 0, 0]);
    }
  };
  const leave = async (): Promise<void> => {
    for (let round = 0; round < ROUNDS; round++) {
      const peer = await RawPeer.connect(server);
      const request = encodeRequest('CHECK', 'x'.repeat(random.int(70, 300) * KIB));
      peer.send(request + request.slice(0, random.int(1, request.length - 1)));
      await wait(random.int(0, 5));
      peer.socket.destroy();
    }
  };
  await Promise.all([...Array.from({ length: PEERS }, (_, i) => work(i)), leave()]);
  assert.ok(largeMemory.keptBytes > 0);
});

test('server leaves values alone that somebody owns', async () => {
  const values = new Map<string, Buffer>();
  await using server = await openToyStore({ onConnection: () => toyHandler(values) });
  await using client = await RespClient.connect({ port: server.addresses[0]?.port ?? 0 });
  const sets = Array.from({ length: 30 }, (_, i) =>
    client.command(['SET', `${i}`, Buffer.alloc(200 * KIB, i)]),
  );
  await Promise.all(sets);
  for (const [key, value] of values) assert.equal(countOf(value, Number(key)), 200 * KIB);
});
