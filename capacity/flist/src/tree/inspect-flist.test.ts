import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { flists } from '../testing/flist-arbitraries.ts';
import { byteTextFrom as t, byteTextOf } from './byte-text.ts';
import type { NewNode } from './check-inode.ts';
import { listLines, modeText } from './list-lines.ts';
import { summarizeFlist } from './summarize-flist.ts';
import { TreeBuilder } from './tree-builder.ts';
import { walkTree } from './walk-tree.ts';

const mtimeNs = BigInt(Date.UTC(2026, 10, 21, 9, 5, 59)) * 1_000_000n;
const base = { mode: 0o644, uid: 0, gid: 0, mtimeNs, xattrs: [] };

function fileOf(sizeBytes: number, ...fills: number[]): Extract<NewNode, { kind: 'file' }> {
  const chunkHashes = Buffer.concat(fills.map((fill) => Buffer.alloc(32, fill)));
  return { ...base, kind: 'file', sizeBytes, chunkHashes };
}

test('summary of an flist counts inodes, objects and each chunk once', () => {
  const builder = new TreeBuilder();
  builder.put(t('a'), fileOf(524_288 + 10, 1, 2));
  builder.put(t('b'), fileOf(524_288 + 10, 1, 2));
  builder.put(t('c'), fileOf(10, 2));
  builder.put(t('d'), fileOf(0));
  builder.link(t('e'), t('a'));
  builder.put(t('dev/null'), { ...base, kind: 'character-device', major: 1, minor: 3 });
  const file = builder.get(t('a'));
  assert.equal(file?.kind, 'file');
  const trace = [
    { file, firstChunk: 1, chunkCount: 1 },
    { file, firstChunk: 1, chunkCount: 1 },
  ];
  const { config, ...summary } = summarizeFlist({
    root: builder.finish(),
    config: { os: 'linux' },
    trace,
  });
  assert.deepEqual(summary, {
    inodes: {
      file: 4,
      directory: 2,
      symlink: 0,
      'character-device': 1,
      'block-device': 0,
      fifo: 0,
    },
    hardLinks: 1,
    sizeBytes: 2 * 524_298 + 10,
    objects: 3,
    chunks: 2,
    chunkSizeBytes: 524_298,
    traceChunks: 1,
    traceSizeBytes: 10,
  });
  assert.equal(config.os, 'linux');
});

test('list of an flist has a line for each name', () => {
  const builder = new TreeBuilder();
  builder.put(t(''), { ...base, kind: 'directory', mode: 0o755 });
  builder.put(t('dev/null'), {
    ...base,
    kind: 'character-device',
    major: 1,
    minor: 3,
    mode: 0o666,
  });
  builder.put(t('dev'), { ...base, kind: 'directory', mode: 0o1777, mtimeNs: -1n });
  builder.put(byteTextOf(Buffer.of(0x0a, 0xff)), { ...fileOf(5, 1), uid: 1000, gid: 65_535 });
  builder.put(t('link'), { ...base, kind: 'symlink', mode: 0o777, target: t('dev/ü') });
  builder.link(t('z'), byteTextOf(Buffer.of(0x0a, 0xff)));
  builder.put(t('far'), { ...base, kind: 'fifo', mtimeNs: 2n ** 51n * 1_000_000_000n });
  assert.deepEqual(
    [...listLines(builder.finish())],
    [
      'drwxr-xr-x 0/0                   0 2026-11-21 09:05 .',
      '-rw-r--r-- 1000/65535            5 2026-11-21 09:05 \\x0a\\xff',
      'drwxrwxrwt 0/0                   0 1969-12-31 23:59 dev',
      'crw-rw-rw- 0/0                 1,3 2026-11-21 09:05 dev/null',
      'prw-r--r-- 0/0                   0 @2251799813685248 far',
      'lrwxrwxrwx 0/0                   0 2026-11-21 09:05 link -> dev/ü',
      '-rw-r--r-- 1000/65535            5 2026-11-21 09:05 z link to \\x0a\\xff',
    ],
  );
});

test('mode text shows setuid, setgid and sticky with and without execution', () => {
  const shown = (mode: number): string => modeText({ ...base, kind: 'fifo', mode });
  assert.equal(shown(0), 'p---------');
  assert.equal(shown(0o7777), 'prwsrwsrwt');
  assert.equal(shown(0o7666), 'prwSrwSrwT');
  assert.equal(shown(0o4751), 'prwsr-x--x');
});

test('summary and list take any flist', () => {
  fc.assert(
    fc.property(flists, ({ root, trace = [] }) => {
      const names = [...walkTree(root)].length;
      const { inodes, hardLinks } = summarizeFlist({ root, trace });
      const total = Object.values(inodes).reduce((sum, count) => sum + count, hardLinks);
      assert.equal(total, names);
      const lines = [...listLines(root)];
      assert.equal(lines.length, names);
      assert.ok(lines.every((line) => !/\p{Cc}/u.test(line)));
    }),
  );
});
