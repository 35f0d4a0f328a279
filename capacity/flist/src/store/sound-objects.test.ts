import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { FlistDigest } from '../format/flist.ts';
import type { ObjectId } from '../format/object-id.ts';
import type { PathList } from '../sys/system-calls.ts';
import { SoundFlists, SoundObjects } from './sound-objects.ts';

function idsOf(count: number): ObjectId[] {
  return Array.from({ length: count }, (_, at) => at.toString(16).padStart(64, '0') as ObjectId);
}

/** `struct statx` with words of its own. */
function statOf(seed: number): Uint32Array {
  return Uint32Array.from({ length: 64 }, (_, word) => seed * 64 + word + 1);
}

test('a file is as it was until one of its words changes', () => {
  const sound = new SoundObjects(idsOf(2));
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
  const half = idsOf(131_072);
  const take = (name: string, ids = half): SoundObjects =>
    flists.of(name as FlistDigest, () => ids);
  for (const name of ['a', 'b']) take(name).note(0, statOf(1));
  assert.equal(take('a').has(0, statOf(1)), true);
  // Of an flist that is beyond the bound itself nothing is remembered.
  assert.equal(
    take('huge', new Array<ObjectId>(262_145).fill('' as ObjectId)).look(0, 0),
    undefined,
  );
  take('c', idsOf(1));
  assert.equal(take('a').has(0, statOf(1)), true);
  assert.equal(take('b').has(0, statOf(1)), false);
});

test('files are asked for by their paths, in the order of their names', () => {
  const asked: string[] = [];
  const stat = statOf(1);
  const calls = {
    mount: () => false,
    unmount: () => false,
    stater:
      ({ bytes, pathBytes }: PathList) =>
      (folder: number, place: number): Uint32Array => {
        const path = Buffer.from(bytes, place * pathBytes, pathBytes).toString('latin1');
        asked.push(`${folder} ${path}`);
        return stat;
      },
  };
  const [first = '', second = ''] = [`0a${'b'.repeat(62)}`, `f${'0'.repeat(63)}`] as ObjectId[];
  const sound = new SoundObjects([second, first] as ObjectId[], calls);
  assert.deepEqual(sound.ids, [first, second]);
  assert.equal(sound.look(7, 1), stat);
  assert.deepEqual(asked, [`7 f0/${second}\0`]);
});
