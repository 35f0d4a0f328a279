import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { zstdCompressSync } from 'node:zlib';

import type { ChunkHash, ChunkSink, ChunkSource, PackedChunk } from '../src/ports.ts';

/** Chunks in memory, for images of a few megabytes. */
export class MemoryChunks implements ChunkSink, ChunkSource {
  readonly name = 'memory';
  readonly chunks = new Map<ChunkHash, Buffer>();

  async put(plaintext: Uint8Array): Promise<ChunkHash> {
    const hash = createHash('sha256').update(plaintext).digest('hex') as ChunkHash;
    if (!this.chunks.has(hash)) this.chunks.set(hash, zstdCompressSync(plaintext));
    return hash;
  }

  async *fetch(hashes: readonly ChunkHash[]): AsyncGenerator<PackedChunk> {
    for (const hash of hashes.toReversed()) {
      const packed = this.chunks.get(hash);
      if (packed !== undefined) yield { hash, packed };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

export async function newFolder(t: TestContext): Promise<string> {
  const folder = await fs.mkdtemp(join(tmpdir(), 'flist-oci-'));
  t.after(() => fs.rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs a program; what it says goes into the error when it fails. */
export function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/**
 * Makes an image of three layers with umoci, in `folder/images` under the name `box`: busybox and
 * some of everything; then changes with whiteouts; then a layer by hand with an opaque directory.
 */
export async function makeImage(folder: string): Promise<string> {
  const layout = join(folder, 'images');
  const image = `${layout}:box`;
  run('umoci', 'init', '--layout', layout);
  run('umoci', 'new', '--image', image);
  await repacked(folder, image, fillBase);
  await repacked(folder, image, changeBase);
  await addOpaqueLayer(folder, image);
  run(
    ...(['umoci', 'config', '--image', image, '--config.entrypoint', '/bin/busybox'] as const),
    ...['--config.cmd', 'sh', '--config.env', 'PATH=/bin', '--config.user', '1000:1000'],
    ...['--config.workingdir', '/srv', '--config.label', 'a=b', '--config.exposedports', '80/tcp'],
    ...['--config.volume', '/data', '--config.stopsignal', 'SIGINT'],
  );
  return layout;
}

async function repacked(
  folder: string,
  image: string,
  change: (root: string) => Promise<void>,
): Promise<void> {
  const bundle = join(folder, 'bundle');
  run('umoci', 'unpack', '--image', image, bundle);
  await change(join(bundle, 'rootfs'));
  run('umoci', 'repack', '--image', image, bundle);
  await fs.rm(bundle, { recursive: true });
}

async function fillBase(root: string): Promise<void> {
  const at = (path: string): string => join(root, path);
  for (const path of ['bin', 'etc', 'usr/lib', 'opaque/deep', 'gone', 'swapped', 'srv', 'tmp']) {
    await fs.mkdir(at(path), { recursive: true });
  }
  await fs.chmod(at('tmp'), 0o1777);
  await fs.copyFile('/bin/busybox', at('bin/busybox'));
  for (const name of ['sh', 'ls', 'cat']) await fs.link(at('bin/busybox'), at(`bin/${name}`));
  await fs.symlink('usr/lib', at('lib'));
  await fs.copyFile('/bin/busybox', at('bin/ping'));
  run('setcap', 'cap_net_raw+ep', at('bin/ping'));
  await fs.writeFile(at('etc/passwd'), 'root:x:0:0::/:/bin/sh\n');
  await fs.chown(at('etc/passwd'), 12, 34);
  await fs.chmod(at('etc/passwd'), 0o4640);
  run('setfattr', '-n', 'user.note', '-v', 'of a file', at('etc/passwd'));
  run('touch', '-d', '2001-02-03 04:05:06Z', at('etc/passwd'));
  for (const path of ['opaque/old', 'opaque/deep/old', 'gone/file', 'swapped/file', 'etc/motd']) {
    await fs.writeFile(at(path), path);
  }
  await fs.writeFile(at('n'.repeat(255)), 'long name');
  await fs.writeFile(at('line\nbreak'), 'odd name');
  await fs.writeFile(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xc3, 0x28])]), 'bytes');
  await fs.writeFile(at('big'), Buffer.alloc(1_300_000, 'content of a big file '));
  run('mkfifo', at('fifo'));
  run('mknod', at('null'), 'c', '1', '3');
}

async function changeBase(root: string): Promise<void> {
  const at = (path: string): string => join(root, path);
  await fs.rm(at('etc/motd'));
  await fs.rm(at('gone'), { recursive: true });
  await fs.rm(at('swapped'), { recursive: true });
  await fs.writeFile(at('swapped'), 'a file now');
  await fs.chmod(at('srv'), 0o700);
  await fs.writeFile(at('usr/lib/new'), 'new');
  await fs.link(at('usr/lib/new'), at('srv/new'));
  await fs.symlink('/absolute', at('srv/link'));
}

/** A layer as overlayfs would have it, and with an entry through the symlink `lib`. */
async function addOpaqueLayer(folder: string, image: string): Promise<void> {
  const tree = join(folder, 'layer');
  await fs.mkdir(join(tree, 'opaque'), { recursive: true });
  await fs.mkdir(join(tree, 'lib'));
  await fs.writeFile(join(tree, 'opaque/.wh..wh..opq'), '');
  await fs.writeFile(join(tree, 'opaque/fresh'), 'fresh');
  await fs.writeFile(join(tree, 'lib/through'), 'through a link');
  const tar = join(folder, 'layer.tar');
  const files = ['opaque', 'opaque/fresh', 'opaque/.wh..wh..opq', 'lib/through'];
  const flags = ['--no-recursion', '--sort=none', '--numeric-owner', '--format=pax'];
  run('tar', ...flags, '-cf', tar, '-C', tree, ...files);
  run('umoci', 'raw', 'add-layer', '--image', image, tar);
}
