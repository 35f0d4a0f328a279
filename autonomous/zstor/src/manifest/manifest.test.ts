import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  manifestKey,
  openManifestPart,
  parseManifest,
  sealManifest,
  versionIdIn,
} from './manifest.ts';
import type { Manifest } from './manifest.ts';

const key = Buffer.alloc(32, 1);
const u8 = fc.integer({ min: 0, max: 255 });
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const bytesOf = (length: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes));
const plain = { noNullPrototype: true };
const record = fc.record(
  {
    id: bytesOf(16),
    kind: fc.constantFrom('coded' as const, 'copied' as const),
    dataShards: u8,
    parityShards: u8,
    bodyBytes: u32,
    locations: fc.array(fc.integer({ min: 0, max: 65_535 }), { maxLength: 6 }),
    digests: fc.array(bytesOf(32), { maxLength: 6 }),
  },
  plain,
);
const manifest: fc.Arbitrary<Manifest> = fc.record(
  {
    versionId: bytesOf(16),
    document: fc.uint8Array({ maxLength: 3_000 }).map((bytes) => Buffer.from(bytes)),
    blobs: fc.array(
      fc.record(
        {
          id: bytesOf(16),
          keyNo: u32,
          wrappedKey: bytesOf(60),
          chunks: fc.array(fc.record({ plaintextBytes: u32, record }, plain), { maxLength: 4 }),
        },
        plain,
      ),
      { maxLength: 4 },
    ),
  },
  plain,
);

function opened(versionId: Uint8Array, values: readonly Buffer[]): Manifest {
  const parts = values.map((value) => openManifestPart(key, versionId, value));
  assert.deepEqual(
    parts.map((each) => [each?.part, each?.parts]),
    values.map((_, part) => [part, values.length]),
  );
  return parseManifest(
    versionId,
    parts.filter((each) => each !== undefined),
  );
}

test('a manifest comes back as it was', () => {
  fc.assert(
    fc.property(manifest, (given) => {
      assert.deepEqual(opened(given.versionId, sealManifest(key, given)), given);
    }),
  );
});

test('a manifest that is too long for one value comes back out of several', () => {
  const versionId = Buffer.alloc(16, 7);
  const given = { versionId, document: Buffer.alloc(5 * 2 ** 19, 'd'), blobs: [] };
  const values = sealManifest(key, given);
  assert.equal(values.length, 3);
  assert.deepEqual(opened(versionId, values), given);
  assert.deepEqual(versionIdIn(manifestKey(versionId, 0)), versionId);
  assert.equal(versionIdIn(manifestKey(versionId, 1)), undefined);
});

test('what is damaged, cut, of another version or of another store is no manifest', () => {
  const versionId = Buffer.alloc(16, 7);
  const [value = key] = sealManifest(key, { versionId, document: Buffer.from('doc'), blobs: [] });
  for (let at = 0; at < value.length; at++) {
    const damaged = Buffer.from(value);
    damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
    assert.equal(openManifestPart(key, versionId, damaged), undefined);
    assert.equal(openManifestPart(key, versionId, value.subarray(0, at)), undefined);
  }
  assert.equal(openManifestPart(key, Buffer.alloc(16, 8), value), undefined);
  assert.equal(openManifestPart(Buffer.alloc(32, 2), versionId, value), undefined);
  const whole = openManifestPart(key, versionId, value);
  assert.ok(whole !== undefined);
  for (let at = 0; at < whole.content.length; at++) {
    const some = { ...whole, content: whole.content.subarray(0, at) };
    const cut = (): Manifest => parseManifest(versionId, [some]);
    assert.throws(cut, { code: 'ZSTOR_MANIFEST_CORRUPT' });
  }
});
