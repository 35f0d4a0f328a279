import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isGridError } from '@commongrid/base';
import fc from 'fast-check';

import { ociDigestOf, readVerified } from './digest.ts';
import { diffIdsOf, findImage } from './image-source.ts';
import { parseManifest } from './manifest.ts';
import { layerCompression } from './media-types.ts';
import { choosePlatform, parsePlatform } from './platform.ts';
import { parseChallenge, tokenOf, tokenUrl } from './registry-auth.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const config = {
  mediaType: 'application/vnd.oci.image.config.v1+json',
  digest,
  size: 2,
};
const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: 3 };
const manifest = { schemaVersion: 2, config, layers: [layer] };

function bytesOf(json: unknown): Buffer {
  return Buffer.from(JSON.stringify(json));
}

function codeOf(work: () => unknown): string {
  try {
    work();
    return 'read';
  } catch (error) {
    assert.ok(isGridError(error), String(error));
    return error.code;
  }
}

test('a manifest is read by its own type, or the one by which it was spoken of', () => {
  const parsed = parseManifest(bytesOf(manifest), undefined);
  assert.ok(parsed.kind === 'manifest');
  assert.equal(parsed.layers[0]?.sizeBytes, 3);
  const index = { schemaVersion: 2, manifests: [layer] };
  assert.equal(parseManifest(bytesOf(index), undefined).kind, 'index');
  const read = (json: unknown, type?: string): string =>
    codeOf(() => parseManifest(bytesOf(json), type));
  const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json';
  assert.equal(read(index, dockerList), 'read');
  assert.equal(read({ ...manifest, schemaVersion: 1 }), 'FLIST_MEDIA_TYPE_UNKNOWN');
  assert.equal(read({ ...manifest, mediaType: 'text/html' }), 'FLIST_MEDIA_TYPE_UNKNOWN');
  assert.equal(read({ ...manifest, mediaType: 7 }), 'FLIST_MANIFEST_INVALID');
  assert.equal(read({ ...manifest, ...index }), 'FLIST_MANIFEST_INVALID');
  assert.equal(read({ ...manifest, layers: 'none' }), 'FLIST_MANIFEST_INVALID');
  assert.equal(
    read({ ...manifest, layers: Array.from({ length: 600 }, () => layer) }),
    'FLIST_TOO_LARGE',
  );
  assert.equal(read({ ...manifest, config: { ...config, size: -1 } }), 'FLIST_MANIFEST_INVALID');
  const outside = { ...config, digest: 'sha256:../../etc' };
  assert.equal(read({ ...manifest, config: outside }), 'FLIST_MANIFEST_INVALID');
  assert.equal(
    codeOf(() => parseManifest(Buffer.from([0xff]), '')),
    'FLIST_MANIFEST_INVALID',
  );
});

test('a manifest of any shape is read or ends in an error with a code', () => {
  const text = JSON.stringify(manifest);
  const changed = fc.tuple(fc.nat(text.length), fc.string({ maxLength: 5 }), fc.nat(4));
  fc.assert(
    fc.property(changed, ([at, put, cut]) => {
      const bytes = Buffer.from(text.slice(0, at) + put + text.slice(at + cut));
      codeOf(() => parseManifest(bytes, undefined));
    }),
  );
  fc.assert(
    fc.property(fc.json({ maxDepth: 3 }), (json) => {
      codeOf(() => parseManifest(Buffer.from(json), undefined));
    }),
  );
});

test('an index that leads to itself is refused', async () => {
  // Nobody can make one whose digests are right; the depth is bounded without that, too.
  let bytes = bytesOf({ schemaVersion: 2, manifests: [] });
  const blobs = new Map<string, Buffer>();
  for (let depth = 0; depth < 8; depth++) {
    const inner = ociDigestOf(bytes);
    blobs.set(inner, bytes);
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const entry = { mediaType, digest: inner, size: bytes.length };
    bytes = bytesOf({ schemaVersion: 2, manifests: [entry] });
  }
  async function* open({ digest: key }: { digest: string }): AsyncGenerator<Uint8Array> {
    yield blobs.get(key) ?? Buffer.alloc(0);
  }
  const first = { bytes, digest: undefined, mediaType: undefined };
  await assert.rejects(findImage(first, open, parsePlatform('linux/amd64'), undefined), {
    code: 'FLIST_MANIFEST_INVALID',
    message: /indexes lead to indexes/,
  });
});

test('layers of unknown types are refused with the type', () => {
  assert.equal(layerCompression('application/vnd.oci.image.layer.v1.tar+zstd'), 'zstd');
  for (const type of [
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    'application/vnd.oci.image.layer.v1.tar+bzip2',
  ]) {
    assert.throws(() => layerCompression(type), { code: 'FLIST_MEDIA_TYPE_UNKNOWN' });
  }
});

test('of an index the one for the platform is chosen, before those for any', () => {
  const of = (architecture?: string, variant?: string): ReturnType<typeof choosePlatform> => ({
    mediaType: '',
    digest: ociDigestOf(Buffer.from(`${architecture}${variant}`)),
    sizeBytes: 1,
    platform: architecture === undefined ? undefined : { os: 'linux', architecture, variant },
    annotations: {},
  });
  const [any, arm6, arm7] = [of(), of('arm', 'v6'), of('arm', 'v7')];
  const all = [any, arm6, arm7];
  assert.equal(choosePlatform(all, parsePlatform('linux/arm/v7')), arm7);
  assert.equal(choosePlatform(all, parsePlatform('linux/arm')), arm6);
  assert.equal(choosePlatform(all, parsePlatform('linux/amd64')), any);
  for (const text of ['windows/amd64', 'linux', 'linux/', 'linux/a/b/c', 'linux/arm/']) {
    assert.throws(() => parsePlatform(text), { code: 'FLIST_PLATFORM_ABSENT' });
  }
});

test('there is one diff_id for each layer', () => {
  const diffs = { rootfs: { diff_ids: [digest] } };
  assert.deepEqual(diffIdsOf(diffs, 1), [digest]);
  assert.equal(
    codeOf(() => diffIdsOf(diffs, 2)),
    'FLIST_MANIFEST_INVALID',
  );
  assert.equal(
    codeOf(() => diffIdsOf({}, 0)),
    'FLIST_MANIFEST_INVALID',
  );
  assert.equal(
    codeOf(() => diffIdsOf({ rootfs: { diff_ids: ['no'] } }, 1)),
    'FLIST_MANIFEST_INVALID',
  );
});

test('a verified stream fails on other bytes, more and fewer', async () => {
  const content = Buffer.from('content');
  const read = (bytes: Buffer, sizeBytes?: number): Promise<Buffer> => {
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (const byte of bytes) yield Buffer.from([byte]);
    }
    const options = { digest: ociDigestOf(content), what: 'blob', bytesMax: 100 };
    return readVerified(pieces(), { ...options, sizeBytes });
  };
  assert.deepEqual(await read(content, 7), content);
  const corrupt = { code: 'FLIST_BLOB_CORRUPT' };
  await assert.rejects(read(Buffer.from('contenT')), corrupt);
  await assert.rejects(read(content, 6), corrupt);
  await assert.rejects(read(content, 8), corrupt);
  await assert.rejects(read(Buffer.alloc(200)), { code: 'FLIST_TOO_LARGE' });
});

test('challenges of registries are understood', () => {
  const bearer = 'Bearer realm="https://auth.example/token",service="a b",scope="x"';
  const parsed = parseChallenge(bearer);
  assert.deepEqual(parsed, {
    scheme: 'bearer',
    realm: 'https://auth.example/token',
    service: 'a b',
  });
  assert.equal(
    tokenUrl('https://auth.example/token?a=1', 'a b', 'repository:x:pull')?.href,
    'https://auth.example/token?a=1&service=a+b&scope=repository%3Ax%3Apull',
  );
  assert.deepEqual(parseChallenge('Basic realm="x"'), { scheme: 'basic' });
  assert.equal(parseChallenge('Negotiate'), undefined);
  assert.equal(parseChallenge(null), undefined);
  assert.equal(tokenUrl('nonsense', undefined, 'x'), undefined);
  assert.equal(tokenOf({ access_token: 'abc' }), 'abc');
  assert.equal(tokenOf({ token: 'a\nb' }), undefined);
});
