import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';

import { compressionOf, unpackStream } from './unpack-stream.ts';
import type { Compression, UnpackLimits } from './unpack-stream.ts';

async function* pieces(bytes: Uint8Array, size = 100): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function unpack(
  packed: AsyncIterable<Uint8Array>,
  compression: Compression,
  limits?: UnpackLimits,
): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of unpackStream(packed, compression, limits)) all.push(piece);
  return Buffer.concat(all);
}

const text = Buffer.from('some content '.repeat(500));
const skipped = Buffer.from('502a4d180400000061626364', 'hex');

test('streams of one or several members are unpacked', async () => {
  const gzip = Buffer.concat([gzipSync(text), gzipSync(text)]);
  const zstd = Buffer.concat([zstdCompressSync(text), skipped, zstdCompressSync(text), skipped]);
  const twice = Buffer.concat([text, text]);
  assert.deepEqual(await unpack(pieces(gzip), 'gzip'), twice);
  assert.deepEqual(await unpack(pieces(zstd), 'zstd'), twice);
  assert.deepEqual(await unpack(pieces(text), 'none'), text);
});

test('what is damaged or cut off ends in an error with a code', async () => {
  for (const compression of ['gzip', 'zstd'] as const) {
    const packed = compression === 'gzip' ? gzipSync(text) : zstdCompressSync(text);
    const corrupt = { code: 'FLIST_BLOB_CORRUPT' };
    await assert.rejects(unpack(pieces(packed.subarray(0, -3)), compression), corrupt);
    await assert.rejects(unpack(pieces(text), compression), corrupt);
  }
});

test('a failure of the source is told as it is', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield gzipSync(text).subarray(0, 20);
    throw new Error('line is down');
  }
  await assert.rejects(unpack(broken(), 'gzip'), /line is down/);
  await assert.rejects(unpack(broken(), 'none'), /line is down/);
});

test('a bomb is refused before it fills anything', async () => {
  const zeros = Buffer.alloc(66 * 2 ** 20);
  for (const compression of ['gzip', 'zstd'] as const) {
    const packed = compression === 'gzip' ? gzipSync(zeros) : zstdCompressSync(zeros);
    let bytes = 0;
    const all = async (): Promise<void> => {
      for await (const piece of unpackStream(pieces(packed, 4096), compression)) {
        bytes += piece.length;
      }
    };
    await assert.rejects(all(), { code: 'FLIST_TOO_LARGE' });
    assert.ok(bytes <= 64 * 2 ** 20);
  }
  const packed = pieces(gzipSync(text));
  await assert.rejects(unpack(packed, 'gzip', { bytesMax: 100 }), { code: 'FLIST_TOO_LARGE' });
});

test('the compression is known by the first bytes, which stay in the stream', async () => {
  const cases: [Compression, Buffer][] = [
    ['gzip', gzipSync(text)],
    ['zstd', zstdCompressSync(text)],
    ['none', text],
    ['none', Buffer.from('ab')],
    ['none', Buffer.alloc(0)],
  ];
  for (const [expected, packed] of cases) {
    const { compression, stream } = await compressionOf(pieces(packed, 1));
    assert.equal(compression, expected);
    assert.deepEqual(await unpack(stream, 'none'), packed);
  }
});
