import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import type { ChunkHash } from '../ports.ts';
import { chunkBytes } from '../tree/inode.ts';
import { ChunkWindow } from './chunk-window.ts';

interface Chunk {
  readonly bytes: Buffer;
  readonly hash: Buffer;
  readonly name: ChunkHash;
}

function chunkOf(number: number, sizeBytes = chunkBytes): Chunk {
  const bytes = Buffer.alloc(sizeBytes, `chunk ${number}`);
  const digest = createHash('sha256').update(bytes).digest();
  // As in an flist: a view of more.
  const hash = Buffer.concat([Buffer.alloc(7), digest]).subarray(7);
  return { bytes, hash, name: hash.toString('hex') as ChunkHash };
}

test('a window gives another thread any part of what was put into it', () => {
  const window = new ChunkWindow();
  const other = new ChunkWindow(window.memory);
  const [first, second] = [chunkOf(1), chunkOf(2)];
  window.put(first.name, first.bytes);
  window.put(second.name, second.bytes);
  for (const { hash, bytes } of [second, first]) {
    for (const [start, end] of [
      [0, chunkBytes],
      [4096, 8192],
      [chunkBytes - 1, chunkBytes],
    ] as const) {
      const out = Buffer.alloc(end - start);
      assert.equal(other.read(hash, start, out), true);
      assert.deepEqual(out, bytes.subarray(start, end));
    }
  }
});

test('a window does not have what was not put, nor a chunk that is short', () => {
  const window = new ChunkWindow();
  const out = Buffer.alloc(100);
  const short = chunkOf(1, 1000);
  assert.equal(window.read(Buffer.alloc(32), 0, out), false);
  window.put(short.name, short.bytes);
  assert.equal(window.read(short.hash, 0, out), false);
});

test('a window that is full forgets the oldest', () => {
  const window = new ChunkWindow();
  const chunks = Array.from({ length: 40 }, (_, number) => chunkOf(number));
  for (const { name, bytes } of chunks) window.put(name, bytes);
  const has = chunks.map(({ hash }) => window.read(hash, 0, Buffer.alloc(1)));
  assert.deepEqual(has, [...Array(8).fill(false), ...Array(32).fill(true)]);
});
