import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import type { ChunkHash, ChunkSink } from '../ports.ts';
import { byteTextFrom } from '../tree/byte-text.ts';
import { chunkBytes } from '../tree/inode.ts';
import { ChunkWriter } from './chunk-writer.ts';

const path = byteTextFrom('file');

async function* piecesOf(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  // One buffer for all pieces: what was given is no longer valid when the next is.
  const room = Buffer.alloc(size);
  for (let at = 0; at < bytes.length; at += size) {
    const length = bytes.copy(room, 0, at, at + size);
    yield room.subarray(0, length);
  }
}

function sha256(bytes: Uint8Array): ChunkHash {
  return createHash('sha256').update(bytes).digest('hex') as ChunkHash;
}

/** Answers in an order of its own, and knows how much it had at one time. */
class SlowSink implements ChunkSink {
  #waiting: (() => void)[] = [];
  #bytes = 0;
  bytesMax = 0;
  chunksMax = 0;

  async put(plaintext: Uint8Array): Promise<ChunkHash> {
    this.#bytes += plaintext.length;
    this.bytesMax = Math.max(this.bytesMax, this.#bytes);
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      this.chunksMax = Math.max(this.chunksMax, this.#waiting.length);
      if (this.#waiting.length === 1) setImmediate(() => this.#release());
    });
    this.#bytes -= plaintext.length;
    return sha256(plaintext);
  }

  #release(): void {
    const waiting = this.#waiting.reverse();
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

test('files are cut into chunks whose hashes come in the order of their bytes', async () => {
  const sink = new SlowSink();
  const writer = new ChunkWriter(sink);
  const sizes = [0, 1, chunkBytes, chunkBytes + 1, 20 * chunkBytes + 7];
  for (const sizeBytes of sizes) {
    const content = Buffer.alloc(sizeBytes, createHash('sha512').update(`${sizeBytes}`).digest());
    content.fill(1, 0, Math.min(10, sizeBytes));
    const hashes = await writer.add(piecesOf(content, 100_001), sizeBytes, path);
    await writer.drain();
    const expected: string[] = [];
    for (let at = 0; at < sizeBytes; at += chunkBytes) {
      expected.push(sha256(content.subarray(at, at + chunkBytes)));
    }
    assert.equal(Buffer.from(hashes).toString('hex'), expected.join(''));
  }
  assert.equal(writer.chunks, 0 + 1 + 1 + 2 + 21);
});

test('a sink never has more than its share at one time', async () => {
  const sink = new SlowSink();
  const writer = new ChunkWriter(sink);
  const small = Buffer.alloc(100);
  for (let file = 0; file < 500; file++) await writer.add(piecesOf(small, 100), 100, path);
  const big = Buffer.alloc(30 * chunkBytes);
  await writer.add(piecesOf(big, 65_536), big.length, path);
  await writer.drain();
  assert.equal(sink.chunksMax, 64);
  assert.ok(sink.bytesMax <= 8 * chunkBytes);
});

test('content that is longer or shorter than it says is refused, again and again', async () => {
  const writer = new ChunkWriter(new SlowSink());
  for (let round = 0; round < 50; round++) {
    for (const sizeBytes of [0, 50, 101, chunkBytes * 2]) {
      const content = piecesOf(Buffer.alloc(100), 30);
      await assert.rejects(writer.add(content, sizeBytes, path), { code: 'FLIST_FILE_CHANGED' });
    }
  }
  await writer.drain();
  const content = piecesOf(Buffer.alloc(1), 1);
  await assert.rejects(writer.add(content, 2 ** 41, path), { code: 'FLIST_TOO_LARGE' });
});

test('a failure of the sink is thrown by what comes next', async () => {
  const writer = new ChunkWriter({ put: () => Promise.reject(new Error('full')) });
  await writer.add(piecesOf(Buffer.alloc(1), 1), 1, path);
  await writer.settle();
  await assert.rejects(writer.add(piecesOf(Buffer.alloc(1), 1), 1, path), /full/);
  await assert.rejects(writer.drain(), /full/);
});
