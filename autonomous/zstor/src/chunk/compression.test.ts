import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { seededRandom } from '@commongrid/base';
import { compress, decompress } from './compression.ts';

test('compress packs what saves a tenth, and decompress undoes it', () => {
  for (const text of ['ab'.repeat(30), 'A longer line of text. '.repeat(50_000)]) {
    const frame = compress(Buffer.from(text));
    assert.ok(frame !== undefined && frame.length <= 0.9 * text.length);
    assert.equal(decompress(frame, text.length).toString(), text);
  }
});

test('compress leaves alone what does not shrink, whatever its length', () => {
  for (const length of [0, 1, 1000, 65_536, 65_537, 300_000]) {
    assert.equal(compress(seededRandom(length).bytes(length)), undefined);
  }
});

test('decompress makes no more and no less than it is told', () => {
  const bomb = zstdCompressSync(Buffer.alloc(50 * 2 ** 20));
  assert.throws(() => decompress(bomb, 1000), { code: 'ERR_BUFFER_TOO_LARGE' });
  const frame = zstdCompressSync(Buffer.alloc(1000));
  assert.throws(() => decompress(frame, 1001), RangeError);
  assert.throws(() => decompress(Buffer.from('no frame'), 1000));
});
