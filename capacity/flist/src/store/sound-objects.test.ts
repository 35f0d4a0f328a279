import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { FlistDigest } from '../format/flist.ts';
import { SoundFlists } from './sound-objects.ts';

/** `struct statx` with words of its own. */
function statOf(seed: number): Uint32Array {
  return Uint32Array.from({ length: 64 }, (_, word) => seed * 64 + word + 1);
}

test('a file is as it was until one of its words changes', () => {
  const sound = new SoundFlists().of('a' as FlistDigest, 2);
  const stat = statOf(1);
  assert.equal(sound.has(1, stat), false);
  sound.note(1, stat);
  assert.equal(sound.has(1, statOf(1)), true);
  assert.equal(sound.has(0, stat), false);
  // Mode, inode, size, ctime, mtime, device.
  for (const word of [7, 8, 10, 24, 26, 28, 30, 35]) {
    assert.equal(sound.has(1, statOf(1).with(word, 0)), false, String(word));
  }
  // The time of the last read.
  assert.equal(sound.has(1, statOf(1).with(16, 0)), true);
});

test('what was used last is remembered, within a bound', () => {
  const flists = new SoundFlists();
  const half = 131_072;
  const [a, b, c] = ['a', 'b', 'c'] as FlistDigest[];
  for (const digest of [a, b]) flists.of(digest as FlistDigest, half).note(0, statOf(1));
  assert.equal(flists.of(a as FlistDigest, half).has(0, statOf(1)), true);
  flists.of(c as FlistDigest, 1);
  assert.equal(flists.of(a as FlistDigest, half).has(0, statOf(1)), true);
  assert.equal(flists.of(b as FlistDigest, half).has(0, statOf(1)), false);
});
