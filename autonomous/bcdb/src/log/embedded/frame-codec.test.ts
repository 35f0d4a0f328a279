import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from '@commongrid/base';
import fc from 'fast-check';
import type { Entry } from '../../record/entry.ts';
import { frameEnd, readFrameHeader } from './format.ts';
import { decodeFrame, encodeBatch, encodeFrame, isContentSound } from './frame-codec.ts';

const logId = Buffer.from('12345678');
const root = Buffer.alloc(32, 4);

const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    fc.uint8Array({ maxLength }),
    fc.integer({ min: 0, max: maxLength }).map((length) => new Uint8Array(length).fill(65)),
  );

const anyEntry: fc.Arbitrary<Entry> = fc.record({
  leaf: bytes(1264),
  body: fc.option(bytes(70_000), { nil: undefined }),
});

test('frames give back any batch', () => {
  const property = fc.property(
    fc.array(anyEntry, { minLength: 1, maxLength: 30 }),
    fc.integer({ min: 0, max: 2 ** 48 }),
    (entries, from) => {
      const head = { size: from + entries.length, root };
      const found: Entry[] = [];
      for (const { first, bytes: frame } of encodeBatch({ from, entries, head }, logId, from)) {
        const header = readFrameHeader(frame, 0, logId);
        assert.ok(header !== undefined && isContentSound(header, frame, 0));
        assert.deepEqual(
          [header.first, first, header.durableTo],
          [from + found.length, first, from],
        );
        found.push(...(decodeFrame(header, frame, 0) ?? []));
        assert.equal(frameEnd(header), from + found.length);
      }
      assert.deepEqual(found.map(plain), entries.map(plain));
    },
  );
  fc.assert(property, { numRuns: 60 });
});

test('frame notices any flipped bit', () => {
  const entries = [{ leaf: Buffer.alloc(3000, 'leaf '), body: Buffer.alloc(300, 'body ') }];
  const frame = encodeFrame({ entries, first: 3, flags: 2, root, durableTo: 1 }, logId);
  for (let bit = 0; bit < frame.length * 8; bit++) {
    const flipped = Buffer.from(frame);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const header = readFrameHeader(flipped, 0, logId);
    assert.ok(header === undefined || !isContentSound(header, flipped, 0), `bit ${bit}`);
  }
});

test('frame of another log is none', () => {
  const entries = [{ leaf: Buffer.from('leaf'), body: undefined }];
  const frame = encodeFrame({ entries, first: 0, flags: 2, root, durableTo: 0 }, logId);
  assert.equal(readFrameHeader(frame, 0, Buffer.from('87654321')), undefined);
});

test('frame of a newer format is refused by name', () => {
  const entries = [{ leaf: Buffer.from('leaf'), body: undefined }];
  const frame = encodeFrame({ entries, first: 0, flags: 2, root, durableTo: 0 }, logId);
  frame.writeUInt8(2, 8);
  frame.writeUInt32LE(crc32(frame.subarray(8, 96)), 4);
  assert.throws(() => readFrameHeader(frame, 0, logId), { code: 'BCDB_LOG_VERSION' });
});

test('frame whose content is none, with a right checksum, has no entries', () => {
  const entries = [{ leaf: Buffer.alloc(5000, 'a'), body: Buffer.alloc(20) }];
  const frame = encodeFrame({ entries, first: 0, flags: 0, root, durableTo: 0 }, logId);
  const header = readFrameHeader(frame, 0, logId);
  assert.ok(header !== undefined);
  const broken = Buffer.from(frame).fill(7, 96, 110);
  assert.equal(decodeFrame(header, broken, 0), undefined);
  assert.equal(decodeFrame({ ...header, count: 2 }, frame, 0), undefined);
  assert.equal(decodeFrame({ ...header, plainBytes: header.plainBytes - 1 }, frame, 0), undefined);
});

test('frames of a batch compress what repeats', () => {
  const entries = Array.from({ length: 100 }, (_, i) => ({
    leaf: Buffer.from(`{"author":"someone","log":"always the same","n":${i}}`.padEnd(400, '.')),
    body: Buffer.alloc(316, `{"name":"${i}"}`),
  }));
  const frames = encodeBatch({ from: 0, entries, head: { size: 100, root } }, logId, 0);
  const total = frames.reduce((sum, frame) => sum + frame.bytes.length, 0);
  assert.ok(total < 100 * 150, `${total} bytes for 100 entries of 716`);
});

function plain({ leaf, body }: Entry): [Buffer, Buffer | undefined] {
  return [Buffer.from(leaf), body === undefined ? undefined : Buffer.from(body)];
}
