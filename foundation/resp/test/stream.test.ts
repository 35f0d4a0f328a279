import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { waitFor } from '@commongrid/base';
import * as fc from 'fast-check';
import type { Request, RespConnection } from '../src/index.ts';
import { RawPeer } from './support/raw-peer.ts';
import { openToyStore } from './support/toy-store.ts';

/**
 * The parser's memory is written by the kernel while requests in it are still being handled. Here
 * requests of all sizes arrive in pieces of all sizes, some are handled over several turns, and
 * none may ever see other bytes than were sent.
 */
test('server gives each request its own bytes, whatever sizes come and however long it takes', async () => {
  await using server = await openToyStore({ onConnection: () => ({ handle: echo }) });
  const size = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 3000 }) },
    { weight: 2, arbitrary: fc.integer({ min: 30_000, max: 70_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 70_000, max: 400_000 }) },
  );
  const turns = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 4 }));
  const requests = fc.array(fc.record({ size, turns }), { minLength: 1, maxLength: 60 });
  const pieces = fc.array(fc.integer({ min: 1, max: 90_000 }), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(requests, pieces, async (given, cuts) => {
      const values = given.map((request, i) => pattern(request.size, i));
      const parts = given.map(({ turns: wait }, i) => frame(String(wait), values[i] ?? empty));
      const peer = await RawPeer.connect(server);
      const replies: Buffer[] = [];
      peer.socket.removeAllListeners('data');
      peer.socket.on('data', (text: string) => replies.push(Buffer.from(text, 'latin1')));
      const stream = Buffer.concat(parts);
      for (let at = 0, turn = 0; at < stream.length; turn++) {
        const to = at + (cuts[turn % cuts.length] ?? 1);
        peer.send(stream.subarray(at, to));
        at = to;
        if (turn % 3 === 0) await setImmediate();
      }
      const expected = Buffer.concat(values.map((value) => bulk(value)));
      const length = (): number => replies.reduce((sum, reply) => sum + reply.length, 0);
      const isDone = (): boolean => length() >= expected.length || peer.isClosed;
      await waitFor(isDone, { timeoutMs: 10_000, everyMs: 1, what: 'all replies' });
      assert.ok(Buffer.concat(replies).equals(expected));
      peer.socket.destroy();
    }),
    { numRuns: 60 },
  );
  assert.equal(server.stats.partialBytes, 0);
});

/** `ECHO turns value`: answers the value after so many turns of the event loop. */
function echo(request: Request, { reply }: RespConnection): void | Promise<void> {
  const turns = request.integer(1) ?? 0;
  if (turns > 0) return echoLater(request, reply, turns);
  reply.bulk(request.bytes, request.start[2], request.length[2]);
  return undefined;
}

async function echoLater(
  request: Request,
  reply: RespConnection['reply'],
  turns: number,
): Promise<void> {
  const value = request.view(2);
  const at = reply.reserveBulk(value.length);
  const { buffer } = reply;
  for (let i = 0; i < turns; i++) await setImmediate();
  assert.ok(value.equals(request.view(2)));
  value.copy(buffer, at);
}

function frame(turns: string, value: Buffer): Buffer {
  const head = `*3\r\n$4\r\nECHO\r\n$${turns.length}\r\n${turns}\r\n`;
  return Buffer.concat([Buffer.from(head), bulk(value)]);
}

function bulk(value: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n')]);
}

function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >> 8) * 13 + seed * 101) & 0xff;
  return bytes;
}

const empty = Buffer.alloc(0);
