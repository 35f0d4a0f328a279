import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import * as fc from 'fast-check';
import { flists } from '../testing/flist-arbitraries.ts';
import { byteTextFrom as t } from '../tree/byte-text.ts';
import type { Directory, Inode, RegularFile } from '../tree/inode.ts';
import { TreeBuilder } from '../tree/tree-builder.ts';
import { walkTree } from '../tree/walk-tree.ts';
import { decodeFlist } from './decode-flist.ts';
import { encodeFlist } from './encode-flist.ts';
import { flistDigestOf, parseFlistDigest } from './flist.ts';
import { chunkHashesOf, objectIdOf } from './object-id.ts';

const base = { mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, xattrs: [] };
const head = Buffer.from('CGFLIST\x01', 'latin1');

function fileOf(sizeBytes: number, fill = 7): RegularFile {
  const chunkHashes = new Uint8Array(Math.ceil(sizeBytes / 524_288) * 32).fill(fill);
  return { ...base, kind: 'file', sizeBytes, chunkHashes };
}

function folderOf(entries: readonly [string, Inode][] = []): Directory {
  return { ...base, kind: 'directory', entries: new Map(entries.map(([n, i]) => [t(n), i])) };
}

/** A tree as plain values; what is linked shows as numbers of nodes. */
function plain(root: Directory): unknown[] {
  const numbers = new Map<Inode, number>();
  return [...walkTree(root)].map(({ path, inode }) => {
    const number = numbers.get(inode) ?? numbers.size + 1;
    numbers.set(inode, number);
    const xattrs = inode.xattrs.map(({ name, value }) => [
      name,
      Buffer.from(value).toString('hex'),
    ]);
    if (inode.kind === 'file') {
      return { ...inode, path, number, xattrs, chunkHashes: chunkHashesOf(inode) };
    }
    if (inode.kind === 'directory') return { ...inode, path, xattrs, entries: inode.entries.size };
    return { ...inode, path, number, xattrs };
  });
}

test('flist that is encoded and decoded is the same', () => {
  fc.assert(
    fc.property(flists, (flist) => {
      const bytes = encodeFlist(flist);
      const decoded = decodeFlist(bytes);
      assert.deepEqual(plain(decoded.root), plain(flist.root));
      const { config } = flist;
      assert.deepEqual(decoded.config, config && JSON.parse(JSON.stringify(config)));
      assert.equal(decoded.trace?.length, flist.trace?.length);
      assert.deepEqual(encodeFlist(decoded), bytes);
    }),
  );
});

test('flist decoder takes only what the encoder makes and throws nothing but its own errors', () => {
  const codes = new Set([
    'FLIST_CORRUPT',
    'FLIST_TOO_LARGE',
    'FLIST_VERSION_UNKNOWN',
    'FLIST_PRIVATE_UNSUPPORTED',
  ]);
  const edit = fc.record({
    at: fc.nat(),
    remove: fc.nat(2),
    insert: fc.uint8Array({ maxLength: 2 }),
  });
  let taken = 0;
  fc.assert(
    fc.property(flists, fc.array(edit, { minLength: 1, maxLength: 2 }), (flist, edits) => {
      let bytes = encodeFlist(flist);
      for (const { at, remove, insert } of edits) {
        // Past the head, which would stop most edits.
        const from = at % 20 === 0 ? at % bytes.length : 8 + (at % (bytes.length - 8));
        bytes = Buffer.concat([bytes.subarray(0, from), insert, bytes.subarray(from + remove)]);
      }
      try {
        const decoded = decodeFlist(bytes);
        taken++;
        assert.deepEqual(encodeFlist(decoded), bytes);
      } catch (error) {
        assert.ok(isGridError(error) && codes.has(error.code), String(error));
      }
    }),
    { numRuns: 1500 },
  );
  assert.ok(taken > 0);
});

test('flist bytes are those of the format', () => {
  const linked = fileOf(3, 0xee);
  const root = folderOf([
    ['a', linked],
    ['b', linked],
  ]);
  assert.equal(
    encodeFlist({
      root: { ...root, mtimeNs: -1n },
      config: { b: 1, a: 2 },
      trace: [{ file: linked, firstChunk: 0, chunkCount: 1 }],
    }).toString('hex'),
    [
      head.toString('hex'),
      // Tree: the root at -1 s and 999,999,999 ns, `a` with its node, `b` as node 2.
      `011c02a403000001ff93ebdc030002`,
      `01610001a403000000000003`,
      `016202`,
      `0220${'ee'.repeat(32)}`,
      `030d${Buffer.from('{"a":2,"b":1}').toString('hex')}`,
      `040401020001`,
    ].join(''),
  );
});

test('flist with nothing in it is a root', () => {
  const bytes = encodeFlist({ root: folderOf(), trace: [] });
  assert.equal(bytes.subarray(8).toString('hex'), '010902a403000000000000');
  assert.deepEqual(decodeFlist(bytes), { root: folderOf() });
});

test('flist encoder refuses trees that are none', () => {
  const folder = folderOf();
  const wrong: [Directory, string][] = [
    [
      folderOf([
        ['b', folderOf()],
        ['a', folderOf()],
      ]),
      'FLIST_NODE_INVALID',
    ],
    [
      folderOf([
        ['a', folder],
        ['b', folder],
      ]),
      'FLIST_NODE_INVALID',
    ],
    [folderOf([['a/b', fileOf(0)]]), 'FLIST_NAME_INVALID'],
    [folderOf([['a', { ...fileOf(0), uid: 70_000 }]]), 'FLIST_ID_OUT_OF_RANGE'],
    [folderOf([['a', fileOf(-1)]]), 'FLIST_NODE_INVALID'],
  ];
  for (const [root, code] of wrong) assert.throws(() => encodeFlist({ root }), { code });
  const cyclic = new Map<ReturnType<typeof t>, Inode>();
  const loop: Directory = { ...folder, entries: cyclic };
  cyclic.set(t('a'), loop);
  assert.throws(() => encodeFlist({ root: loop }), { code: 'FLIST_NODE_INVALID' });
});

test('flist encoder refuses a trace outside the tree and a config that is too long', () => {
  const file = fileOf(524_289);
  const root = folderOf([['a', file]]);
  for (const range of [
    { file, firstChunk: 1, chunkCount: 2 },
    { file, firstChunk: 0, chunkCount: 0 },
    { file, firstChunk: -1, chunkCount: 1 },
    { file: fileOf(5), firstChunk: 0, chunkCount: 1 },
  ]) {
    assert.throws(() => encodeFlist({ root, trace: [range] }), { code: 'FLIST_NODE_INVALID' });
  }
  const range = { file, firstChunk: 0, chunkCount: 1 };
  const trace = Array.from({ length: 65_537 }, () => range);
  assert.throws(() => encodeFlist({ root, trace }), { code: 'FLIST_TOO_LARGE' });
  const config = 'x'.repeat(2 ** 20);
  assert.throws(() => encodeFlist({ root, config }), { code: 'FLIST_TOO_LARGE' });
});

test('flist decoder refuses what another release or a private image has', () => {
  const bytes = encodeFlist({ root: folderOf() });
  const later = Buffer.from(bytes);
  later[7] = 2;
  assert.throws(() => decodeFlist(later), { code: 'FLIST_VERSION_UNKNOWN' });
  const more = (...section: number[]): Buffer => Buffer.concat([bytes, Buffer.from(section)]);
  assert.throws(() => decodeFlist(more(6, 1, 0)), { code: 'FLIST_VERSION_UNKNOWN' });
  assert.throws(() => decodeFlist(more(5, 1, 0)), { code: 'FLIST_PRIVATE_UNSUPPORTED' });
});

test('flist decoder refuses bytes that are not canonical', () => {
  const tree = (hex: string): Buffer => {
    const content = Buffer.from(hex, 'hex');
    return Buffer.concat([head, Buffer.of(1, content.length), content]);
  };
  const meta = 'a4030000000000';
  const wrong: Record<string, Buffer> = {
    'no bytes': Buffer.alloc(0),
    'another magic': Buffer.from('CGFLISS\x01\x01\x01\x02', 'latin1'),
    'no tree': head,
    'an empty section': Buffer.concat([tree(`02${meta}00`), Buffer.of(2, 0)]),
    'a section twice': Buffer.concat([tree(`02${meta}00`), Buffer.of(3, 1, 0x31, 3, 1, 0x31)]),
    'sections out of order': Buffer.concat([head, Buffer.of(3, 1, 0x31), tree('').subarray(8)]),
    'chunks of no file': Buffer.concat([tree(`02${meta}00`), Buffer.of(2, 1, 9)]),
    'a config with a space': Buffer.concat([tree(`02${meta}00`), Buffer.of(3, 2, 0x20, 0x31)]),
    'an empty trace': Buffer.concat([tree(`02${meta}00`), Buffer.of(4, 1, 0)]),
    'a root that is a fifo': tree(`06${meta}`),
    'an unknown kind': tree(`07${meta}`),
    'something behind the tree': tree(`02${meta}0000`),
    'a superfluous byte of a number': tree(`02a4030080000000000000`),
    'a number beyond 53 bits': tree(`02${'ff'.repeat(7)}7f00000000000000`),
    'more entries than bytes': tree(`02${meta}ffffffff0f`),
    'a node that is not there': tree(`02${meta}01016103`),
    'itself as an entry': tree(`02${meta}01016101`),
    'names out of order': tree(`02${meta}0201620006${meta}01610006${meta}`),
    'a name twice': tree(`02${meta}0201610006${meta}016102`),
    'a name with a slash': tree(`02${meta}01012f0006${meta}`),
    'an empty name': tree(`02${meta}01000006${meta}`),
    'a mode of 13 bits': tree(`028040000000000000`),
    'a second of nanoseconds': tree(`02a4030000008094ebdc030000`),
    'a forbidden attribute': tree(
      `02a403000000000109${Buffer.from('trusted.x').toString('hex')}0000`,
    ),
    'a file with more chunks than there are': tree(`02${meta}0101610001${meta}ffffffffffff0f`),
  };
  for (const [what, bytes] of Object.entries(wrong)) {
    assert.throws(() => decodeFlist(bytes), { code: 'FLIST_CORRUPT' }, what);
  }
  assert.ok(decodeFlist(tree(`02${meta}00`)));
});

test('flist is decoded as deep as folders may be nested and no deeper', () => {
  const builder = new TreeBuilder();
  const deepest = t('d/'.repeat(1024));
  builder.put(deepest, { ...base, kind: 'directory' });
  const bytes = encodeFlist({ root: builder.finish() });
  assert.deepEqual(encodeFlist(decodeFlist(bytes)), bytes);
  let root = folderOf();
  for (let n = 0; n < 1025; n++) root = folderOf([['d', root]]);
  assert.throws(() => encodeFlist({ root }), { code: 'FLIST_TOO_LARGE' });
  const node = '02a4030000000000';
  const nested = Buffer.from(`${`${node}01016400`.repeat(1025)}${node}00`, 'hex');
  const length = Buffer.of((nested.length & 0x7f) | 0x80, nested.length >> 7);
  const deeper = Buffer.concat([head, Buffer.of(1), length, nested]);
  assert.throws(() => decodeFlist(deeper), { code: 'FLIST_TOO_LARGE' });
});

test('object id covers size and hashes, and nothing else of a file', () => {
  const file = fileOf(1_000_000);
  // printf 'commongrid/flist-object/1\0\0\0\0\0\0\0\0\0' | sha256sum
  assert.equal(
    objectIdOf(fileOf(0)),
    '47112d5837adf65550305315cbf2b68bcf140af42e9a02a74870c6e5d603447b',
  );
  assert.equal(objectIdOf({ ...file, mode: 0, mtimeNs: 5n }), objectIdOf(file));
  assert.notEqual(objectIdOf({ ...file, sizeBytes: 1_000_001 }), objectIdOf(file));
  assert.notEqual(objectIdOf(fileOf(1_000_000, 8)), objectIdOf(file));
  assert.deepEqual(chunkHashesOf(file), ['07'.repeat(32), '07'.repeat(32)]);
});

test('flist digest is SHA-256 in 64 hex digits', () => {
  const digest = flistDigestOf(new Uint8Array());
  assert.equal(digest, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  assert.equal(parseFlistDigest(digest), digest);
  for (const text of ['', digest.toUpperCase(), `${digest}0`, digest.slice(1), `${digest}\n`]) {
    assert.equal(parseFlistDigest(text), undefined);
  }
});
