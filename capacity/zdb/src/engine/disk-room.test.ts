import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DiskRoom } from './disk-room.ts';
import { type Files, realFiles } from '@commongrid/files';

const MIB = 1024 * 1024;

test('disk room keeps two segments or a sixteenth of the disk', () => {
  let freeMib = 1000;
  let looks = 0;
  const disk = (sizeMib: number): Files =>
    Object.assign({ ...realFiles }, { statfsSync: () => measure(sizeMib) });
  const measure = (blocks: number): object => {
    looks++;
    return { bsize: MIB, blocks, bavail: freeMib };
  };
  const large = new DiskRoom(disk(100_000), '/', 256 * MIB);
  assert.ok(large.admits(100));
  for (let i = 0; i < 1000; i++) assert.ok(large.admits(100));
  assert.equal(looks, 1);
  freeMib = 513;
  assert.ok(large.admits(MIB), 'one more MiB leaves 512');
  freeMib = 512;
  assert.ok(!large.admits(2 * MIB));
  assert.ok(large.isShort);
  assert.ok(!large.admits(1));
  freeMib = 600;
  assert.ok(large.admits(1), 'room was made');

  const small = new DiskRoom(disk(160), '/', 256 * MIB);
  freeMib = 11;
  assert.ok(small.admits(MIB));
  assert.ok(!small.admits(2 * MIB), 'the reserve is 10 MiB');
});
