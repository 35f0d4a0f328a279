import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import fc from 'fast-check';
import { Batch } from './batch.ts';
import type { Files } from '@commongrid/files';
import { packOwner, RecordKind, SEGMENT_HEADER_BYTES } from './format.ts';
import { KeyHasher } from '../keys/key-hash.ts';
import { Segment } from './segment.ts';
import { type ScanResult, scanSegment } from './segment-scan.ts';

const LOG_ID = 0x0123_4567_89ab_cdefn;
const hasher = new KeyHasher(Buffer.from('8 bytes.'));

interface Frame {
  readonly offset: number;
  readonly bytes: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** A segment as a log writes it: one frame for each list of value lengths. */
function build(frames: readonly (readonly number[])[]): { bytes: Buffer; frames: Frame[] } {
  const segment = segmentOver(() => Buffer.alloc(0));
  const random = seededRandom('segment');
  const parts = [Buffer.alloc(SEGMENT_HEADER_BYTES)];
  const written: Frame[] = [];
  let sequence = 0;
  for (const lengths of frames) {
    const batch = new Batch();
    const durableTo = sequence;
    batch.begin(segment, sequence + 1);
    for (const length of lengths) {
      const source = Buffer.concat([
        Buffer.from(`k${++sequence}`),
        Buffer.from(random.bytes(length)),
      ]);
      const keyLength = source.length - length;
      const owner = packOwner(1, RecordKind.set);
      // prettier-ignore
      batch.add(1, owner, 5, sequence, 0, source, 0, keyLength, source, keyLength, length, undefined);
    }
    batch.seal(LOG_ID, 1, durableTo, 0);
    const bytes = Buffer.concat(batch.pieces());
    written.push({
      offset: segment.nextOffset,
      bytes: bytes.length,
      firstSequence: sequence - lengths.length + 1,
      lastSequence: sequence,
    });
    parts.push(Buffer.from(bytes));
    segment.nextOffset += bytes.length;
  }
  return { bytes: Buffer.concat(parts), frames: written };
}

/** A segment whose file is a buffer. */
function segmentOver(content: () => Buffer): Segment {
  const files = {
    openSync: () => 1,
    fstatSync: () => ({ size: content().length }),
    readSync: (_fd: number, into: Uint8Array, at: number, length: number, from: number) =>
      content().copy(into, at, from, Math.min(content().length, from + length)),
  } as unknown as Files;
  return new Segment(files, { id: 1, slot: 1, path: 'segment-1.log', firstSequence: 1 });
}

function scan(bytes: Buffer): ScanResult {
  const segment = segmentOver(() => bytes);
  const files = {
    fstatSync: () => ({ size: bytes.length }),
    readSync: (_fd: number, into: Uint8Array, at: number, length: number, from: number) =>
      bytes.copy(into, at, from, Math.min(bytes.length, from + length)),
  } as unknown as Files;
  return scanSegment(files, segment, LOG_ID, hasher);
}

const shape = fc.array(
  fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 4 }),
  {
    minLength: 1,
    maxLength: 8,
  },
);

test('segment scan finds every record of a sound segment', () => {
  fc.assert(
    fc.property(shape, (lists) => {
      const { bytes, frames } = build(lists);
      const result = scan(bytes);
      const count = lists.flat().length;
      assert.equal(result.index.count, count);
      assert.equal(result.lastSequence, count);
      assert.equal(result.end, bytes.length);
      assert.deepEqual(result.bad, []);
      assert.equal(result.durableTo, (frames.at(-1)?.firstSequence ?? 1) - 1);
    }),
    { numRuns: 60 },
  );
});

test('segment scan drops the one frame that is damaged and goes on behind it', () => {
  fc.assert(
    fc.property(shape, fc.nat(), fc.nat(), (lists, which, where) => {
      const { bytes, frames } = build(lists);
      const frame = frames[which % frames.length] as Frame;
      const end = frame.offset + frame.bytes;
      const damaged = Buffer.from(bytes);
      // A whole stretch: single bytes may be padding.
      const from = frame.offset + (where % (frame.bytes - 8));
      for (let at = from; at < Math.min(end, from + 16); at++) {
        damaged[at] = ~(damaged[at] as number) & 0xff;
      }
      const result = scan(damaged);
      const lost = frame.lastSequence - frame.firstSequence + 1;
      assert.equal(result.index.count, lists.flat().length - lost);
      assert.deepEqual(result.bad, [
        { offset: frame.offset, bytes: frame.bytes, expected: frame.firstSequence },
      ]);
    }),
    { numRuns: 100 },
  );
});

test('segment scan takes whole frames of a cut segment, and names the rest', () => {
  const { bytes, frames } = build([[10], [2000, 30], [5], [700]]);
  for (let length = SEGMENT_HEADER_BYTES; length < bytes.length; length += 3) {
    const whole = frames.filter((one) => one.offset + one.bytes <= length);
    const end = (whole.at(-1)?.offset ?? SEGMENT_HEADER_BYTES) + (whole.at(-1)?.bytes ?? 0);
    const result = scan(bytes.subarray(0, length));
    assert.equal(result.index.count, whole.at(-1)?.lastSequence ?? 0);
    assert.equal(result.end, end);
    assert.equal(result.bad.length, length === end ? 0 : 1);
  }
});

test('segment scan is not led astray by values that look like frames', () => {
  const { bytes: inner } = build([[100], [200]]);
  const segment = segmentOver(() => Buffer.alloc(0));
  const batch = new Batch();
  batch.begin(segment, 1);
  const source = Buffer.concat([Buffer.from('key'), inner]);
  const owner = packOwner(1, RecordKind.set);
  batch.add(1, owner, 5, 1, 0, source, 0, 3, source, 3, inner.length, undefined);
  batch.seal(LOG_ID, 1, 0, 0);
  const bytes = Buffer.concat([Buffer.alloc(SEGMENT_HEADER_BYTES), ...batch.pieces()]);
  // Without its header the outer frame is bad, and the inner ones stand in the wrong place.
  bytes.fill(0, SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + 8);
  const result = scan(bytes);
  assert.equal(result.index.count, 0);
  assert.equal(result.bad.length, 1);
});
