import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BufferPool, freeBuffer, giveValue, sharedPool } from './buffer-pool.ts';

const mebibyte = 2 ** 20;

test('a buffer that came back is given again, also for a little less', () => {
  const pool = new BufferPool();
  const first = pool.take(4 * mebibyte);
  pool.give(first.subarray(0, 10));
  assert.equal(pool.idleBytes, 4 * mebibyte);
  const second = pool.take(4 * mebibyte - 1000);
  assert.equal(second.buffer, first.buffer);
  assert.equal(second.length, 4 * mebibyte - 1000);
  assert.notEqual(pool.take(4 * mebibyte).buffer, first.buffer);
});

test('a pool keeps 256 MiB and frees what comes back beyond', () => {
  const pool = new BufferPool();
  const buffers = Array.from({ length: 6 }, () => pool.take(64 * mebibyte));
  for (const buffer of buffers) pool.give(buffer);
  assert.equal(pool.idleBytes, 256 * mebibyte);
  assert.deepEqual(
    buffers.map(({ buffer }) => buffer.detached),
    [false, false, false, false, true, true],
  );
});

test('a pool takes a buffer back once, and only its own', () => {
  const pool = new BufferPool();
  const buffer = pool.take(10);
  pool.give(buffer);
  assert.throws(() => pool.give(buffer), /comes back once/);
  assert.throws(() => pool.give(new Uint8Array(10)), /a buffer of a pool/);
});

test('freeBuffer leaves memory alone that a buffer shares', () => {
  const shared = Buffer.from('small buffers share a slab');
  freeBuffer(shared);
  assert.equal(shared.toString(), 'small buffers share a slab');
  const own = Buffer.allocUnsafeSlow(100);
  freeBuffer(own);
  assert.equal(own.length, 0);
});

test('giveValue gives memory of the pool back, and frees what is of its own', () => {
  const value = sharedPool().take(5 * mebibyte + 64);
  giveValue(value);
  assert.equal(sharedPool().take(5 * mebibyte + 64).buffer, value.buffer);
  const own = Buffer.allocUnsafeSlow(5 * mebibyte);
  giveValue(own);
  assert.equal(own.length, 0);
  const shared = Buffer.from('small buffers share a slab');
  giveValue(shared);
  assert.equal(shared.toString(), 'small buffers share a slab');
});
