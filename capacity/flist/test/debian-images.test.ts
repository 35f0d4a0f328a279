import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';

import { encodeFlist } from '../src/format/encode-flist.ts';
import { createFromFolder } from '../src/make/create-from-folder.ts';
import { exportImage } from '../src/oci/export-image.ts';
import { importImage } from '../src/oci/import-image.ts';
import { OciLayout } from '../src/oci/oci-layout.ts';
import { pushFlist } from '../src/oci/push-image.ts';
import type { ChunkHash, ChunkSink } from '../src/ports.ts';
import type { Directory } from '../src/tree/inode.ts';
import { MemoryChunks, newFolder, run } from './oci-images.ts';
import { debianImages } from './support/debian-images.ts';
import { DockerRegistry } from '../src/testing/docker-registry.ts';
import { linesOf } from './support/image-lines.ts';

/** Hashes tell whether contents are the same. */
const onlyHashes: ChunkSink = { put: async (chunk) => hash('sha256', chunk, 'hex') as ChunkHash };

for (const name of ['python3', 'nginx', 'redis', 'odd'] as const) {
  test(`the Debian image ${name} is imported as umoci unpacks it`, async (t) => {
    const folder = await newFolder(t);
    const { layout } = await debianImages();
    const bundle = join(folder, 'bundle');
    run('umoci', 'unpack', '--image', `${layout}:${name}`, bundle);
    const unpacked = await createFromFolder(join(bundle, 'rootfs'), onlyHashes);
    const { flist, report } = await importImage(new OciLayout(layout, name), onlyHashes);
    assertSameTree(flist.root, unpacked.flist.root);
    assert.deepEqual(report.notes, []);
  });
}

test('a Debian image is exported and pushed as it was imported', async (t) => {
  const folder = await newFolder(t);
  const { layout } = await debianImages();
  const chunks = new MemoryChunks();
  const { flist } = await importImage(new OciLayout(layout, 'odd'), chunks);
  const bytes = encodeFlist(flist);
  const out = join(folder, 'exported');
  await exportImage(flist, chunks, out, { name: 'odd' });
  assert.deepEqual(await importedBytes(out), bytes);

  await using registry = await DockerRegistry.open(folder);
  const place = `${registry.host}/debian:odd`;
  await pushFlist(flist, chunks, place);
  const copy = join(folder, 'copied');
  run('skopeo', 'copy', '--src-tls-verify=false', `docker://${place}`, `oci:${copy}:odd`);
  assert.deepEqual(await importedBytes(copy), bytes);

  const mounted = await createFromFolder(mountedByBuildah(folder, place), onlyHashes);
  assertSameTree(mounted.flist.root, flist.root);
});

/** Says only what differs: an image has thousands of files. */
function assertSameTree(actual: Directory, expected: Directory): void {
  const [ours, theirs] = [linesOf(actual), linesOf(expected)];
  assert.ok(ours.length > 3_000);
  const [known, wanted] = [new Set(ours), new Set(theirs)];
  assert.deepEqual(
    ours.filter((line) => !wanted.has(line)),
    theirs.filter((line) => !known.has(line)),
  );
  assert.equal(ours.length, theirs.length);
}

async function importedBytes(layout: string): Promise<Buffer> {
  const { flist } = await importImage(new OciLayout(layout, 'odd'), onlyHashes);
  return encodeFlist(flist);
}

/** What buildah makes of an image in a registry: the root of a container, until the folder goes. */
function mountedByBuildah(folder: string, place: string): string {
  const storage = ['--root', join(folder, 'storage'), '--runroot', join(folder, 'run')];
  const buildah = (...args: readonly string[]): string =>
    run('buildah', ...storage, '--storage-driver', 'vfs', ...args).trim();
  return buildah('mount', buildah('from', '--quiet', '--tls-verify=false', `docker://${place}`));
}
