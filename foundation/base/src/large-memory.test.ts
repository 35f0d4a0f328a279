import assert from 'node:assert/strict';
import { test } from 'node:test';
import { largeMemory, LargeMemory, largeMemoryBytesMax, SharedMemory } from './large-memory.ts';

const kib = 1024;

test('large memory lends again what came back, to those who need nearly as much', () => {
  const pool = new LargeMemory();
  const memory = pool.acquire(256 * kib + 40);
  assert.ok(memory.length >= 256 * kib + 40);
  assert.notEqual(pool.acquire(256 * kib + 40), memory);
  pool.release(memory);
  assert.equal(pool.keptBytes, memory.length);
  assert.notEqual(pool.acquire(512 * kib), memory);
  assert.equal(pool.acquire(256 * kib + 90), memory);
  assert.equal(pool.keptBytes, 0);
});

test('large memory gives the last that came back, and drops what was not wanted for longest', () => {
  const pool = new LargeMemory(3 * 64 * kib);
  const [first, ...others] = Array.from({ length: 4 }, () => pool.acquire(64 * kib));
  assert.ok(first !== undefined);
  for (const memory of [first, ...others]) pool.release(memory);
  assert.equal(pool.keptBytes, 3 * 64 * kib);
  const again = Array.from({ length: 4 }, () => pool.acquire(64 * kib));
  assert.deepEqual(
    again.slice(0, 3).map((memory) => others.indexOf(memory)),
    [2, 1, 0],
  );
  assert.equal(again.includes(first), false);
});

test('large memory keeps neither small nor very large buffers', () => {
  const pool = new LargeMemory();
  for (const size of [100, largeMemoryBytesMax + 1]) {
    const memory = pool.acquire(size);
    assert.equal(memory.length, size);
    pool.release(memory);
  }
  pool.release(Buffer.alloc(20 * kib));
  assert.equal(pool.keptBytes, 0);
});

test('shared memory goes back when the last holder has let go of it, and only then', () => {
  const shared = new SharedMemory(64 * kib);
  shared.hold();
  const before = largeMemory.keptBytes;
  shared.letGo();
  assert.equal(largeMemory.keptBytes, before);
  shared.letGo();
  assert.equal(largeMemory.keptBytes, before + shared.bytes.length);
  assert.throws(() => shared.letGo(), /went back already/);
  assert.throws(() => shared.hold(), /went back already/);
});
