import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '@commongrid/base/testing';
import type { WebSocket } from 'ws';
import { GreetingRoom } from './greeting-room.ts';

const limits = { greetingsMax: 3, greetingsPerAddressMax: 2 };

function connection(): { readonly socket: WebSocket; isCut: boolean } {
  const one = { socket: { terminate: () => void (one.isCut = true) } as WebSocket, isCut: false };
  return one;
}

test('each address has so many places, and all together have more', () => {
  const room = new GreetingRoom(limits);
  using _first = room.enter('a', connection().socket);
  const second = room.enter('a', connection().socket);
  assert.throws(() => room.enter('a', connection().socket), hasCode('BOT_BUSY'));
  using _other = room.enter('b', connection().socket);
  assert.throws(() => room.enter('c', connection().socket), hasCode('BOT_BUSY'));
  second[Symbol.dispose]();
  assert.equal(room.size, 2);
  using _again = room.enter('a', connection().socket);
  assert.equal(room.size, 3);
});

test('all that are there are cut at the end', () => {
  const room = new GreetingRoom(limits);
  const one = connection();
  using _place = room.enter('a', one.socket);
  room.clear();
  assert.ok(one.isCut);
});
