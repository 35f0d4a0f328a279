import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { realFiles, writeAll, writeAsync, writePieces, writePiecesAsync } from './files.ts';
import type { Files } from './files.ts';

const kib = 1024;
const start = 40 * kib + 8;

/** Files whose writes go to `disk`; each takes no more than `most` bytes. */
function shortFiles(disk: Buffer, most: number): Files {
  const write = (pieces: readonly Uint8Array[], position: number): number =>
    Buffer.concat(pieces).copy(disk, position, 0, most);
  const files: Pick<Files, 'writevSync'> & Record<string, unknown> = {
    writevSync: (_fd, pieces, at) => write(pieces as Uint8Array[], at ?? 0),
    writev: (_fd: number, pieces: Uint8Array[], at: number, done: Written) =>
      done(null, write(pieces, at)),
    writeSync: (_fd: number, bytes: Buffer, from: number, length: number, at: number) =>
      write([bytes.subarray(from, from + length)], at),
    write: (_fd: number, bytes: Buffer, from: number, length: number, at: number, done: Written) =>
      done(null, write([bytes.subarray(from, from + length)], at)),
  };
  return { ...realFiles, ...files };
}

type Written = (error: null, bytes: number) => void;

test('writes bring all bytes, however few a call takes', async () => {
  const lengths = fc.array(fc.integer({ min: 0, max: 150 * kib }), { maxLength: 5 });
  const mosts = fc.constantFrom(1_000_000, 64 * kib, 50_000, 4096);
  await fc.assert(
    fc.asyncProperty(lengths, mosts, async (sizes, most) => {
      const pieces = sizes.map((size, i) => Buffer.alloc(size, i + 1));
      const whole = Buffer.concat(pieces);
      const expected = Buffer.concat([Buffer.alloc(start), whole]);
      const writers: readonly ((files: Files) => void | Promise<void>)[] = [
        (files: Files) => writePieces(files, 3, pieces, start),
        (files: Files) => writePiecesAsync(files, 3, pieces, start),
        (files: Files) => writeAll(files, 3, whole, start),
        (files: Files) => writeAsync(files, 3, whole, whole.length, start),
      ];
      for (const writer of writers) {
        const disk = Buffer.alloc(expected.length);
        await writer(shortFiles(disk, most));
        assert.ok(disk.equals(expected));
      }
    }),
    { numRuns: 60 },
  );
});
