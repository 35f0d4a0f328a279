import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import { FORMAT_VERSION } from './format.ts';
import { decodeManifest, encodeManifest, type Manifest } from './manifest.ts';

const MANIFEST: Manifest = {
  version: FORMAT_VERSION,
  logId: '00ff00ff00ff00ff',
  hashSecret: '0123456789abcdef',
  nextSegmentId: 3,
  segments: [
    {
      id: 1,
      slot: 1,
      firstSequence: 1,
      lastSequence: 90,
      bytes: 1000,
      records: 90,
      shares: { '1': [90, 900, 80] },
    },
    { id: 2, slot: 2, firstSequence: 91 },
  ],
  checkpoint: 4,
  quarantine: [{ segmentId: 1, offset: 64, bytes: 96, foundMs: 5 }],
  durableAtLeast: 90,
  compactedThrough: 80,
  deletionsDroppedThrough: 70,
  nextIds: { '7': 12 },
};

test('manifest comes back as it was written', () => {
  assert.deepEqual(decodeManifest(encodeManifest(MANIFEST), 'manifest'), MANIFEST);
});

test('manifest with any flipped bit, or cut, is refused', () => {
  const bytes = encodeManifest(MANIFEST);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const copy = Buffer.from(bytes);
    copy[bit >>> 3] = (copy[bit >>> 3] as number) ^ (1 << (bit & 7));
    assert.throws(() => decodeManifest(copy, 'manifest'), isRefusal, `bit ${bit}`);
  }
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => decodeManifest(bytes.subarray(0, length), 'manifest'), isRefusal);
  }
  assert.throws(() => decodeManifest(Buffer.concat([bytes, bytes]), 'manifest'), isRefusal);
});

test('manifest of a newer version is refused with its number', () => {
  const newer = { ...MANIFEST, version: FORMAT_VERSION + 8 };
  assert.throws(() => decodeManifest(encodeManifest(newer), 'manifest'), {
    code: 'ZDB_FORMAT_NEWER',
    message: new RegExp(`version ${FORMAT_VERSION + 8}`),
  });
});

function isRefusal(error: unknown): boolean {
  return isGridError(error, 'ZDB_MANIFEST_CORRUPT') || isGridError(error, 'ZDB_FORMAT_NEWER');
}
