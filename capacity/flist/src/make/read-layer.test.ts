import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import type { ChunkHash, ChunkSink } from '../ports.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import { writeTar } from '../tar/write-tar.ts';
import type { NewTarItem } from '../tar/write-tar.ts';
import { byteTextFrom } from '../tree/byte-text.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { MakeLog } from './make-log.ts';
import type { MakeReport } from './make-log.ts';
import { readLayer } from './read-layer.ts';
import type { LayerItem } from './read-layer.ts';

const sink: ChunkSink = {
  put: async (plaintext) => createHash('sha256').update(plaintext).digest('hex') as ChunkHash,
};

const plain: TarEntry = {
  kind: 'file',
  path: byteTextFrom('file'),
  mode: 0o600,
  uid: 1,
  gid: 2,
  mtimeNs: 3n,
  xattrs: [],
  sizeBytes: 0,
  linkTarget: byteTextFrom(''),
  major: 0,
  minor: 0,
};

function withXattrs(...names: string[]): TarEntry {
  const xattrs = names.map((name) => ({ name: byteTextFrom(name), value: Buffer.from('v') }));
  return { ...plain, xattrs };
}

async function read(
  entries: Iterable<TarEntry>,
  signal?: AbortSignal,
): Promise<{ readonly items: readonly LayerItem[]; readonly report: MakeReport }> {
  async function* items(): AsyncGenerator<NewTarItem> {
    async function* content(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('content');
    }
    for (const entry of entries) yield { entry, content: content() };
  }
  const log = new MakeLog();
  const writer = new ChunkWriter(sink);
  const found = await readLayer(writeTar(items()), writer, { log, signal });
  return { items: found, report: log.report(writer) };
}

test('entries of a layer become inodes, and their content chunks', async () => {
  const { items, report } = await read([
    { ...plain, sizeBytes: 7 },
    { ...plain, kind: 'symlink', path: byteTextFrom('link'), linkTarget: byteTextFrom('to') },
    { ...plain, kind: 'block-device', path: byteTextFrom('disk'), major: 8, minor: 1 },
    { ...plain, kind: 'hard-link', path: byteTextFrom('other'), linkTarget: plain.path },
  ]);
  const base = { mode: 0o600, uid: 1, gid: 2, mtimeNs: 3n, xattrs: [] };
  const hash = createHash('sha256').update('content').digest();
  assert.deepEqual(
    items.map(({ node }) => node),
    [
      { ...base, kind: 'file', sizeBytes: 7, chunkHashes: Uint8Array.from(hash) },
      { ...base, kind: 'symlink', target: 'to' },
      { ...base, kind: 'block-device', major: 8, minor: 1 },
      'file',
    ],
  );
  assert.deepEqual(report, { notes: [], furtherNotes: 0, contentBytes: 7, chunks: 1 });
});

test('attributes are kept, left out with a note, or refused', async () => {
  const kept = ['user.a', 'security.capability', 'system.posix_acl_access'];
  const { items, report } = await read([withXattrs(...kept, 'security.selinux', 'com.apple.x')]);
  const node = items[0]?.node;
  assert.ok(typeof node === 'object');
  assert.deepEqual(
    node.xattrs.map(({ name }) => name),
    kept,
  );
  assert.deepEqual(report.notes, [
    { what: 'attribute-left-out', path: 'file', name: 'security.selinux' },
    { what: 'attribute-left-out', path: 'file', name: 'com.apple.x' },
  ]);
  for (const name of ['trusted.overlay.redirect', 'user.overlay.whiteout', 'system.overlay.x']) {
    await assert.rejects(read([withXattrs(name)]), {
      code: 'FLIST_XATTR_FORBIDDEN',
      message: `file has the attribute ${name}, which no image may have`,
    });
  }
});

test('notes beyond a thousand are counted', async () => {
  const entries = Array.from({ length: 1_010 }, () => withXattrs('security.selinux'));
  const { report } = await read(entries);
  assert.equal(report.notes.length, 1_000);
  assert.equal(report.furtherNotes, 10);
});

test('a flood of devices is refused, and so is whatever comes after the signal', async () => {
  function* flood(): Generator<TarEntry> {
    for (let minor = 0; minor < 5_000; minor++) yield { ...plain, kind: 'character-device', minor };
  }
  await assert.rejects(read(flood()), { code: 'FLIST_TOO_LARGE', message: /4096 devices/ });
  await assert.rejects(read([plain], AbortSignal.abort()), { code: 'BASE_ABORTED' });
});
