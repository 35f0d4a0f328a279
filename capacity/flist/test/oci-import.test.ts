import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { encodeFlist } from '../src/format/encode-flist.ts';
import { imageConfigOf } from '../src/format/image-config.ts';
import { createFromFolder } from '../src/make/create-from-folder.ts';
import { DockerArchive } from '../src/oci/docker-archive.ts';
import { exportImage } from '../src/oci/export-image.ts';
import { importImage } from '../src/oci/import-image.ts';
import { OciLayout } from '../src/oci/oci-layout.ts';
import { makeImage, MemoryChunks, newFolder, run } from './oci-images.ts';
import { linesOf } from './support/image-lines.ts';

test('an imported image is what umoci unpacks', async (t) => {
  const folder = await newFolder(t);
  const layout = await makeImage(folder);
  const bundle = join(folder, 'unpacked');
  run('umoci', 'unpack', '--image', `${layout}:box`, bundle);
  const unpacked = await createFromFolder(join(bundle, 'rootfs'), new MemoryChunks());
  const { flist, report } = await importImage(new OciLayout(layout, 'box'), new MemoryChunks());
  assert.deepEqual(linesOf(flist.root), linesOf(unpacked.flist.root));
  assert.deepEqual(report.notes, []);
  const config = imageConfigOf(flist);
  assert.deepEqual(config.entrypoint, ['/bin/busybox']);
  assert.deepEqual(
    [config.user, config.workingDir, config.stopSignal],
    ['1000:1000', '/srv', 'SIGINT'],
  );
  assert.deepEqual(config.volumes, ['/data']);
  assert.equal(config.labels.get('a'), 'b');

  const archive = join(folder, 'image.tar');
  run('skopeo', 'copy', `oci:${layout}:box`, `docker-archive:${archive}:box:latest`);
  const fromArchive = await importImage(
    new DockerArchive(archive, 'box:latest'),
    new MemoryChunks(),
  );
  assert.deepEqual(linesOf(fromArchive.flist.root), linesOf(flist.root));
});

test('an exported image is read by others, and imported it has its digest again', async (t) => {
  const folder = await newFolder(t);
  const layout = await makeImage(folder);
  const chunks = new MemoryChunks();
  const { flist } = await importImage(new OciLayout(layout, 'box'), chunks);
  const bytes = encodeFlist(flist);
  for (const compression of ['gzip', 'zstd'] as const) {
    const out = join(folder, compression);
    const first = await exportImage(flist, chunks, out, { name: 'one', compression });
    const second = await exportImage(flist, chunks, out, { name: 'two', compression });
    assert.equal(second.manifestDigest, first.manifestDigest);
    await exportImage({ root: flist.root }, chunks, out, { name: 'bare', compression });
    const again = await importImage(new OciLayout(out, 'two'), new MemoryChunks());
    assert.deepEqual(encodeFlist(again.flist), bytes);
    assert.equal(again.manifestDigest, first.manifestDigest);
    const bare = await importImage(new OciLayout(out, 'bare'), new MemoryChunks());
    assert.deepEqual(encodeFlist(bare.flist), encodeFlist({ root: flist.root }));
  }
  const inspected = JSON.parse(run('skopeo', 'inspect', `oci:${join(folder, 'zstd')}:one`));
  assert.equal(inspected.Layers.length, 1);
  const bundle = join(folder, 'unpacked');
  run('umoci', 'unpack', '--image', `${join(folder, 'gzip')}:one`, bundle);
  const unpacked = await createFromFolder(join(bundle, 'rootfs'), new MemoryChunks());
  assert.deepEqual(linesOf(unpacked.flist.root), linesOf(flist.root));
});

test('damage in an image is found, and names that are not there are said to be absent', async (t) => {
  const folder = await newFolder(t);
  const layout = join(folder, 'images');
  const chunks = new MemoryChunks();
  const tree = join(folder, 'tree');
  await fs.mkdir(tree);
  await fs.writeFile(join(tree, 'file'), 'content '.repeat(10_000));
  const { flist } = await createFromFolder(tree, chunks);
  await exportImage(flist, chunks, layout, { name: 'one' });
  await exportImage({ ...flist, config: { os: 'linux' } }, chunks, layout, { name: 'two' });
  const importing = (image?: string): Promise<unknown> =>
    importImage(new OciLayout(layout, image), new MemoryChunks());
  await assert.rejects(importing(), { code: 'FLIST_IMAGE_ABSENT', hint: 'name one of: one, two' });
  await assert.rejects(importing('three'), { code: 'FLIST_IMAGE_ABSENT' });
  await assert.rejects(importImage(new OciLayout(tree), chunks), { code: 'FLIST_LAYOUT_INVALID' });
  await assert.rejects(exportImage(flist, chunks, tree), { code: 'FLIST_LAYOUT_INVALID' });

  const blobs = join(layout, 'blobs/sha256');
  const names = await fs.readdir(blobs);
  const heads = await Promise.all(names.map((name) => fs.readFile(join(blobs, name))));
  const layer = join(blobs, names[heads.findIndex((head) => head[0] === 0x1f)] ?? '');
  const good = await fs.readFile(layer);
  const changes: readonly (readonly [string, Buffer])[] = [
    ['its header', Buffer.concat([good.subarray(0, 4), Buffer.from([1]), good.subarray(5)])],
    ['its middle', Buffer.from(good).fill(7, 60, 90)],
    ['its end', good.subarray(0, -1)],
    ['behind its end', Buffer.concat([good, Buffer.from([0])])],
  ];
  for (const [where, bytes] of changes) {
    await fs.writeFile(layer, bytes);
    await assert.rejects(importing('one'), { code: 'FLIST_BLOB_CORRUPT' }, where);
  }
  await fs.rm(layer);
  await assert.rejects(importing('one'), { code: 'FLIST_IMAGE_ABSENT' });
});

test('an archive of docker may have several images, and layers that are links', async (t) => {
  const folder = await newFolder(t);
  const at = (path: string): string => join(folder, path);
  await fs.mkdir(at('a/old'), { recursive: true });
  await fs.mkdir(at('a/new'));
  await fs.writeFile(at('file'), 'content');
  run('tar', '-cf', at('a/old/layer.tar'), '-C', folder, 'file');
  await fs.symlink('../old/layer.tar', at('a/new/layer.tar'));
  const layer = await fs.readFile(at('a/old/layer.tar'));
  const diffId = `sha256:${createHash('sha256').update(layer).digest('hex')}`;
  const config = { os: 'linux', rootfs: { type: 'layers', diff_ids: [diffId] } };
  await fs.writeFile(at('a/config.json'), JSON.stringify(config));
  const image = (tag: string, path: string, file = 'config.json'): unknown => ({
    Config: file,
    RepoTags: [tag],
    Layers: [path],
  });
  const images = [
    image('one:1', 'old/layer.tar'),
    image('docker.io/library/two:1', 'new/layer.tar'),
    image('three:1', 'gone/layer.tar'),
    image('four:1', '../../etc/passwd'),
  ];
  await fs.writeFile(at('a/manifest.json'), JSON.stringify(images));
  run('tar', '-cf', at('archive.tar'), '-C', at('a'), '.');
  const importing = async (tag?: string): Promise<string[]> => {
    const source = new DockerArchive(at('archive.tar'), tag);
    const { flist } = await importImage(source, new MemoryChunks());
    return [...flist.root.entries.keys()];
  };
  assert.deepEqual(await importing('one:1'), ['file']);
  assert.deepEqual(await importing('two:1'), ['file']);
  await assert.rejects(importing(), { code: 'FLIST_IMAGE_ABSENT' });
  await assert.rejects(importing('five:1'), { code: 'FLIST_IMAGE_ABSENT' });
  await assert.rejects(importing('three:1'), { code: 'FLIST_MANIFEST_INVALID' });
  await assert.rejects(importing('four:1'), { code: 'FLIST_MANIFEST_INVALID' });

  const changed = await fs.readFile(at('archive.tar'));
  const place = changed.indexOf('content');
  changed.write('CONTENT', place);
  await fs.writeFile(at('archive.tar'), changed);
  await assert.rejects(importing('one:1'), { code: 'FLIST_BLOB_CORRUPT' });
});
