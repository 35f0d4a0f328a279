import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, createReadStream, readFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';

import { encodeFlist } from '../src/format/encode-flist.ts';
import { createFromFolder } from '../src/make/create-from-folder.ts';
import { createFromTar } from '../src/make/create-from-tar.ts';
import type { ChunkHash, ChunkSink } from '../src/ports.ts';
import { byteTextFrom } from '../src/tree/byte-text.ts';
import { findPath } from '../src/tree/find-path.ts';
import { chunkBytes } from '../src/tree/inode.ts';
import type { Inode } from '../src/tree/inode.ts';

async function newFolder(t: TestContext): Promise<string> {
  const folder = await fs.mkdtemp(join(tmpdir(), 'flist-make-'));
  t.after(() => fs.rm(folder, { recursive: true, force: true }));
  return folder;
}

class MemorySink implements ChunkSink {
  readonly chunks = new Map<string, Buffer>();

  async put(plaintext: Uint8Array): Promise<ChunkHash> {
    const hash = createHash('sha256').update(plaintext).digest('hex');
    this.chunks.set(hash, Buffer.from(plaintext));
    return hash as ChunkHash;
  }
}

function at(root: Parameters<typeof findPath>[0], path: string): Inode {
  const inode = findPath(root, byteTextFrom(path));
  assert.ok(inode, path);
  return inode;
}

/** A folder with one of everything. */
async function fillFolder(folder: string): Promise<void> {
  const big = Buffer.alloc(chunkBytes + 10, 'big');
  await fs.mkdir(join(folder, 'sub'));
  await fs.writeFile(join(folder, 'sub/big'), big);
  await fs.writeFile(join(folder, 'empty'), '');
  await fs.writeFile(join(folder, 'first'), 'text');
  await fs.link(join(folder, 'first'), join(folder, 'sub/second'));
  await fs.symlink('../first', join(folder, 'sub/link'));
  await fs.writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0x0a])]), 'odd');
  await fs.writeFile(join(folder, 'n'.repeat(255)), 'long');
  execFileSync('mkfifo', [join(folder, 'fifo')]);
  execFileSync('mknod', [join(folder, 'device'), 'c', '5', '300']);
  execFileSync('setfattr', ['-n', 'user.a b\\c', '-v', 'value', join(folder, 'first')]);
  execFileSync('setcap', ['cap_net_raw+ep', join(folder, 'sub/big')]);
  execFileSync('setfacl', ['-m', 'u:1000:rwx', join(folder, 'sub')]);
  await fs.chown(join(folder, 'first'), 1000, 65_535);
  await fs.chmod(join(folder, 'first'), 0o4751);
  execFileSync('touch', ['-d', '@-7.25', join(folder, 'first')]);
  execFileSync('touch', ['-d', '2001-02-03 04:05:06.123456789Z', join(folder, 'sub/big')]);
}

test('a folder becomes an image with all that is in it', async (t) => {
  const folder = await newFolder(t);
  await fillFolder(folder);
  const sink = new MemorySink();
  const { flist, report } = await createFromFolder(folder, sink);
  const first = at(flist.root, 'first');
  assert.equal(first, at(flist.root, 'sub/second'));
  assert.deepEqual([first.mode, first.uid, first.gid], [0o4751, 1000, 65_535]);
  assert.equal(first.mtimeNs, -7_250_000_000n);
  assert.deepEqual(first.xattrs, [
    { name: byteTextFrom('user.a b\\c'), value: Buffer.from('value') },
  ]);
  const big = at(flist.root, 'sub/big');
  assert.ok(big.kind === 'file');
  assert.equal(big.mtimeNs, 981_173_106_123_456_789n);
  assert.deepEqual(
    big.xattrs.map(({ name }) => name),
    ['security.capability'],
  );
  const content = [big.chunkHashes.subarray(0, 32), big.chunkHashes.subarray(32)].map(
    (hash) => sink.chunks.get(Buffer.from(hash).toString('hex')) ?? Buffer.alloc(0),
  );
  assert.deepEqual(Buffer.concat(content), readFileSync(join(folder, 'sub/big')));
  assert.deepEqual(
    at(flist.root, 'sub').xattrs.map(({ name }) => name),
    ['system.posix_acl_access'],
  );
  const device = at(flist.root, 'device');
  assert.ok(device.kind === 'character-device');
  assert.deepEqual([device.major, device.minor], [5, 300]);
  const link = at(flist.root, 'sub/link');
  assert.equal(link.kind === 'symlink' && link.target, '../first');
  assert.equal(at(flist.root, 'fifo').kind, 'fifo');
  assert.ok(flist.root.entries.has('\xff\n' as ReturnType<typeof byteTextFrom>));
  assert.equal(at(flist.root, 'n'.repeat(255)).kind, 'file');
  assert.deepEqual(report.notes, []);
  assert.equal(report.contentBytes, chunkBytes + 10 + 4 + 3 + 4);
});

test('one tree has one digest, read twice or from its tar, packed or not', async (t) => {
  const folder = await newFolder(t);
  const tree = join(folder, 'tree');
  await fs.mkdir(tree);
  await fillFolder(tree);
  // The tar of GNU has access lists as text only.
  execFileSync('setfacl', ['-b', join(tree, 'sub')]);
  const tar = join(folder, 'tree.tar');
  const flags = ['--format=pax', '--xattrs', '--xattrs-include=*', '--numeric-owner'];
  execFileSync('tar', [...flags, '-cf', tar, '-C', tree, '.'], { stdio: 'ignore' });
  const bytes = encodeFlist((await createFromFolder(tree, new MemorySink())).flist);
  const again = encodeFlist((await createFromFolder(tree, new MemorySink())).flist);
  assert.deepEqual(again, bytes);
  const fromTar = await createFromTar(createReadStream(tar), new MemorySink());
  assert.deepEqual(encodeFlist(fromTar.flist), bytes);
  for (const packed of [gzipSync(readFileSync(tar)), zstdCompressSync(readFileSync(tar))]) {
    async function* stream(): AsyncGenerator<Uint8Array> {
      for (let from = 0; from < packed.length; from += 3) yield packed.subarray(from, from + 3);
    }
    const { flist } = await createFromTar(stream(), new MemorySink());
    assert.deepEqual(encodeFlist(flist), bytes);
  }
});

test('sockets and what is excluded stay out of an image', async (t) => {
  const folder = await newFolder(t);
  await fs.mkdir(join(folder, 'cache/deep'), { recursive: true });
  await fs.writeFile(join(folder, 'kept'), 'kept');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(folder, 'socket'), resolve));
  t.after(() => server.close());
  const exclude = (path: string): boolean => path === 'cache';
  const { flist, report } = await createFromFolder(folder, new MemorySink(), { exclude });
  assert.deepEqual([...flist.root.entries.keys()], ['kept']);
  assert.deepEqual(report.notes, [{ what: 'socket-left-out', path: 'socket' }]);
});

/** Writes to a file each time that a chunk comes, so many times. */
class WritingSink extends MemorySink {
  readonly #path: string;
  #times: number;

  constructor(path: string, times: number) {
    super();
    this.#path = path;
    this.#times = times;
  }

  override put(plaintext: Uint8Array): Promise<ChunkHash> {
    if (this.#times-- > 0) appendFileSync(this.#path, 'more\n');
    return super.put(plaintext);
  }
}

test('a file that somebody writes to is read again, and not for ever', async (t) => {
  const folder = await newFolder(t);
  const path = join(folder, 'log');
  await fs.writeFile(path, 'line\n');
  const { flist } = await createFromFolder(folder, new WritingSink(path, 2));
  const file = at(flist.root, 'log');
  assert.equal(file.kind === 'file' && file.sizeBytes, 'line\nmore\nmore\n'.length);
  await assert.rejects(createFromFolder(folder, new WritingSink(path, 100)), {
    code: 'FLIST_FILE_CHANGED',
    retryable: true,
  });
});

test('attributes that no image may have are refused with the name of the file', async (t) => {
  const folder = await newFolder(t);
  await fs.writeFile(join(folder, 'bad'), 'x');
  execFileSync('setfattr', ['-n', 'trusted.overlay.redirect', '-v', '/x', join(folder, 'bad')]);
  await assert.rejects(createFromFolder(folder, new MemorySink()), {
    code: 'FLIST_XATTR_FORBIDDEN',
    message: /^bad has the attribute trusted\.overlay\.redirect/,
  });
});

test('owners that images cannot have, and folders that are none, are refused', async (t) => {
  const folder = await newFolder(t);
  await fs.writeFile(join(folder, 'far'), 'x');
  await assert.rejects(createFromFolder(join(folder, 'far'), new MemorySink()), {
    code: 'FLIST_FILE_UNREADABLE',
  });
  await assert.rejects(createFromFolder(join(folder, 'absent'), new MemorySink()), {
    code: 'FLIST_FILE_UNREADABLE',
  });
  await fs.chown(join(folder, 'far'), 70_000, 0);
  await assert.rejects(createFromFolder(folder, new MemorySink()), {
    code: 'FLIST_ID_OUT_OF_RANGE',
    message: /far/,
  });
});

test('a sink that fails ends the making with its error', async (t) => {
  const folder = await newFolder(t);
  await fs.writeFile(join(folder, 'a'), 'x');
  const sink: ChunkSink = { put: () => Promise.reject(new Error('disk full')) };
  await assert.rejects(createFromFolder(folder, sink), /disk full/);
});

test('access lists that a tar has as text are left out with a note', async (t) => {
  const folder = await newFolder(t);
  const tree = join(folder, 'tree');
  await fs.mkdir(tree);
  await fs.writeFile(join(tree, 'file'), 'x');
  execFileSync('setfacl', ['-m', 'u:1000:rwx', join(tree, 'file')]);
  const tar = join(folder, 'tree.tar');
  execFileSync('tar', ['--format=pax', '--acls', '-cf', tar, '-C', tree, 'file']);
  const { report } = await createFromTar(createReadStream(tar), new MemorySink());
  assert.deepEqual(report.notes, [
    { what: 'attribute-left-out', path: 'file', name: 'SCHILY.acl.access' },
  ]);
});
