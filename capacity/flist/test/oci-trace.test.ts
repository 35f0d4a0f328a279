import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { encodeFlist } from '../src/format/encode-flist.ts';
import type { Flist, TraceRange } from '../src/format/flist.ts';
import { imageConfigOf } from '../src/format/image-config.ts';
import { createFromFolder } from '../src/make/create-from-folder.ts';
import { ociDigestOf } from '../src/oci/digest.ts';
import { exportImage } from '../src/oci/export-image.ts';
import { importImage } from '../src/oci/import-image.ts';
import { OciLayout } from '../src/oci/oci-layout.ts';
import { filesOf } from '../src/store/files-of.ts';
import { makeImage, MemoryChunks, newFolder, run } from './oci-images.ts';

/** The first chunk of each file that has one, the last file first. */
function traceOf(root: Flist['root']): TraceRange[] {
  return [...filesOf(root)]
    .filter(({ sizeBytes }) => sizeBytes > 0)
    .map((file) => ({ file, firstChunk: 0, chunkCount: 1 }))
    .toReversed();
}

async function imported(layout: string, name: string): Promise<Flist> {
  return (await importImage(new OciLayout(layout, name), new MemoryChunks())).flist;
}

test('a start trace travels in an image, and other tools read that image as before', async (t) => {
  const folder = await newFolder(t);
  const chunks = new MemoryChunks();
  const made = await importImage(new OciLayout(await makeImage(folder), 'box'), chunks);
  const flist = { ...made.flist, trace: traceOf(made.flist.root) };
  assert.ok(flist.trace.length > 1);
  const out = join(folder, 'out');
  await exportImage(flist, chunks, out, { name: 'traced' });
  await exportImage({ root: flist.root, trace: flist.trace }, chunks, out, { name: 'bare' });
  assert.deepEqual(encodeFlist(await imported(out, 'traced')), encodeFlist(flist));

  const copy = join(folder, 'copy');
  run('skopeo', 'copy', `oci:${out}:traced`, `oci:${copy}:traced`);
  assert.deepEqual(encodeFlist(await imported(copy, 'traced')), encodeFlist(flist));
  run('umoci', 'unpack', '--image', `${out}:traced`, join(folder, 'unpacked'));

  // umoci hands the annotations on to what it derives, which has another config.
  run('umoci', 'config', '--image', `${out}:bare`, '--tag', 'derived', '--config.cmd', '/run');
  const raw = run('skopeo', 'inspect', '--raw', `oci:${out}:derived`);
  assert.match(raw, /"grid\.flist\.trace"/);
  const derived = await imported(out, 'derived');
  assert.equal(derived.trace, undefined);
  assert.deepEqual(imageConfigOf(derived).cmd, ['/run']);
});

test('an image with a start trace that is none is refused', async (t) => {
  const folder = await newFolder(t);
  const tree = join(folder, 'tree');
  await fs.mkdir(tree);
  await fs.writeFile(join(tree, 'file'), 'content');
  const chunks = new MemoryChunks();
  const { flist } = await createFromFolder(tree, chunks);
  const out = join(folder, 'out');
  const trace = traceOf(flist.root);
  const { manifestDigest } = await exportImage({ ...flist, trace }, chunks, out, { name: 'one' });
  const blobs = join(out, 'blobs/sha256');
  const place = join(blobs, manifestDigest.slice('sha256:'.length));
  const manifest = JSON.parse(await fs.readFile(place, 'utf8'));
  // One range, of the root, which is no file.
  manifest.annotations['grid.flist.trace'] = Buffer.from([1, 1, 0, 1]).toString('base64url');
  const bytes = Buffer.from(JSON.stringify(manifest));
  const digest = ociDigestOf(bytes);
  await fs.writeFile(join(blobs, digest.slice('sha256:'.length)), bytes);
  const index = await fs.readFile(join(out, 'index.json'), 'utf8');
  const { size } = JSON.parse(index).manifests[0];
  await fs.writeFile(
    join(out, 'index.json'),
    index.replace(manifestDigest, digest).replace(`"size":${size}`, `"size":${bytes.length}`),
  );
  await assert.rejects(imported(out, 'one'), { code: 'FLIST_MANIFEST_INVALID' });
});
