import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@commongrid/base/testing';
import { Doorkeeper, type Visitor } from './doorkeeper.ts';

/** Somebody at the door, who writes down what becomes of him. */
function visitor(address: string, isBusy = false): Visitor & { fate: string; isBusy: boolean } {
  const made = {
    address,
    isBusy,
    fate: '',
    standing: 'stranger' as const,
    connection: {
      push: (): boolean => true,
      close: () => void (made.fate = 'closed'),
      destroy: () => void (made.fate = 'destroyed'),
    },
  };
  return made;
}

test('doorkeeper makes room with strangers, then with guests, never with those it knows', () => {
  const options = { clock: new ManualClock(), timeoutMs: 1000, strangersMax: 10 };
  const door = new Doorkeeper(options);
  const [known, guest, stranger] = [visitor('a'), visitor('a'), visitor('b')];
  for (const one of [known, guest, stranger]) door.arrived(one);
  door.rises(guest, 'guest');
  door.rises(known, 'known');
  door.rises(known, 'guest');
  const fates = (): string[] => [known.fate, guest.fate, stranger.fate];
  assert.equal(door.makeRoom(), true);
  assert.deepEqual(fates(), ['', '', 'destroyed']);
  assert.equal(door.makeRoom(), true);
  assert.deepEqual(fates(), ['', 'destroyed', 'destroyed']);
  assert.equal(door.makeRoom(), false);
  assert.equal(door.sentAway, 2);
  assert.equal(options.clock.timerCount, 0);
});

test('doorkeeper closes strangers in time, and lets one wait for its answer', async () => {
  const clock = new ManualClock();
  const door = new Doorkeeper({ clock, timeoutMs: 10_000, strangersMax: 10 });
  const [idle, busy, left] = [visitor('a'), visitor('a', true), visitor('a')];
  for (const one of [idle, busy, left]) door.arrived(one);
  door.left(left);
  await clock.advance(9_999);
  assert.equal(idle.fate, '');
  await clock.advance(1);
  assert.deepEqual([idle.fate, busy.fate, left.fate], ['closed', '', '']);
  busy.isBusy = false;
  await clock.advance(2_000);
  assert.equal(busy.fate, 'closed');
  assert.equal(door.strangers, 0);
  assert.equal(clock.timerCount, 0);
});
