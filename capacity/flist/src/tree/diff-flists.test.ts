import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { encodeFlist } from '../format/encode-flist.ts';
import { flists, trees } from '../testing/flist-arbitraries.ts';
import { byteTextFrom as t, shownText } from './byte-text.ts';
import type { ByteText } from './byte-text.ts';
import type { NewNode } from './check-inode.ts';
import { diffFlists } from './diff-flists.ts';
import { diffTrees } from './diff-trees.ts';
import type { Directory, Inode } from './inode.ts';
import { mergeFlists } from './merge-flists.ts';
import { TreeBuilder } from './tree-builder.ts';
import { walkTree } from './walk-tree.ts';

const base = { mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, xattrs: [] };
const file = (fill = 1): NewNode => ({
  ...base,
  kind: 'file',
  sizeBytes: 5,
  chunkHashes: new Uint8Array(32).fill(fill),
});
const folder: NewNode = { ...base, kind: 'directory' };

function treeOf(entries: readonly [string, NewNode | string][]): Directory {
  const builder = new TreeBuilder();
  for (const [path, what] of entries) {
    if (typeof what === 'string') builder.link(t(path), t(what));
    else builder.put(t(path), what);
  }
  return builder.finish();
}

function shown(before: Directory, after: Directory): string[] {
  return [...diffTrees(before, after)].map((one) => {
    const parts = one.change === 'changed' ? ` ${one.parts.join()}` : '';
    return `${one.change} ${shownText(one.path)}${parts}`;
  });
}

/** Makes the second tree of the first and what differs. */
function applied(before: Directory, after: Directory): Directory {
  const builder = new TreeBuilder();
  const firstPaths = new Map<Inode, ByteText>();
  const put = (path: ByteText, inode: Inode): void => {
    const first = firstPaths.get(inode);
    if (first === undefined || first === path) builder.put(path, inode);
    else builder.link(path, first);
    if (inode.kind !== 'directory' && first === undefined) firstPaths.set(inode, path);
  };
  for (const { path, inode } of walkTree(before)) put(path, inode);
  firstPaths.clear();
  for (const { path, inode } of walkTree(after)) {
    if (inode.kind !== 'directory' && !firstPaths.has(inode)) firstPaths.set(inode, path);
  }
  // What goes comes first: what replaces a folder may be a symlink, which would be followed.
  for (const one of diffTrees(before, after)) {
    if (one.change === 'removed') builder.remove(one.path);
  }
  for (const one of diffTrees(before, after)) {
    if (one.change !== 'removed') put(one.path, one.after);
  }
  return builder.finish();
}

test('diff of trees names each path and what of it differs', () => {
  const link = (target: string): NewNode => ({ ...base, kind: 'symlink', target: t(target) });
  const device = (minor: number): NewNode => ({ ...base, kind: 'block-device', major: 8, minor });
  const xattrs = [{ name: t('user.a'), value: Buffer.of(1) }];
  const before = treeOf([
    ['all', file()],
    ['content', file(1)],
    ['device', device(1)],
    ['dir/x', file()],
    ['gone', file()],
    ['link', link('a')],
    ['same', file()],
    ['two', 'same'],
  ]);
  const after = treeOf([
    ['all', { ...file(), mode: 0, uid: 1, mtimeNs: 1n, xattrs }],
    ['content', file(2)],
    ['device', device(2)],
    ['dir', file()],
    ['link', link('b')],
    ['new/y', file()],
    ['same', file()],
    ['two', file()],
  ]);
  assert.deepEqual(shown(before, after), [
    'changed all mode,owner,time,xattrs',
    'changed content content',
    'changed device device',
    'changed dir kind,mode',
    'removed dir/x',
    'removed gone',
    'changed link target',
    'added new',
    'added new/y',
    'changed two links',
  ]);
  assert.deepEqual(shown(before, { ...before, gid: 1 }), ['changed  owner']);
});

test('diff of trees is empty when, and only when, their bytes are the same', () => {
  fc.assert(
    fc.property(trees, trees, (one, other) => {
      assert.deepEqual([...diffTrees(one, one)], []);
      const isSame = encodeFlist({ root: one }).equals(encodeFlist({ root: other }));
      assert.equal(diffTrees(one, other).next().done, isSame);
    }),
  );
});

test('diff of trees that is applied to the first makes the second', () => {
  fc.assert(
    fc.property(trees, trees, (one, other) => {
      assert.deepEqual(encodeFlist({ root: applied(one, other) }), encodeFlist({ root: other }));
    }),
  );
});

test('diff of flists names the fields of the config', () => {
  const root = treeOf([]);
  const of = (before: object | undefined, after: object | undefined): readonly string[] =>
    diffFlists(
      { root, ...(before && { config: JSON.parse(JSON.stringify(before)) }) },
      { root, ...(after && { config: JSON.parse(JSON.stringify(after)) }) },
    ).configFields;
  const config = { os: 'linux', config: { Env: ['A=1'], User: 'x', Cmd: ['a', 'b'] } };
  assert.deepEqual(of(config, config), []);
  assert.deepEqual(of(undefined, undefined), []);
  assert.deepEqual(of(config, { ...config, os: 'plan9' }), ['os']);
  assert.deepEqual(of(config, { ...config, config: { Env: ['A=2'], Cmd: ['a', 'b'] } }), [
    'config.Env',
    'config.User',
  ]);
  assert.deepEqual(of(undefined, { os: 'linux', config: {} }), ['config', 'os']);
  assert.deepEqual(of(config, ['text']), ['config']);
});

test('merge of flists lets the last one win and keeps the entries of directories', () => {
  const first = treeOf([
    ['a', file(1)],
    ['dir/old', file()],
    ['dir/two', 'dir/old'],
    ['gone/deep/x', file()],
    ['link', { ...base, kind: 'symlink', target: t('dir') }],
  ]);
  const second = treeOf([
    ['a', file(2)],
    ['dir', { ...folder, mode: 0o700 }],
    ['dir/new', file()],
    ['gone', file()],
    ['link/x', file()],
    ['link/y', 'link/x'],
  ]);
  const { root, config, trace } = mergeFlists([
    { root: first, config: { os: 'one' }, trace: [] },
    { root: second, config: { os: 'two' } },
    { root: treeOf([]) },
  ]);
  assert.deepEqual(
    [...walkTree(root)].map(({ path, isFirstName }) => `${path}${isFirstName ? '' : '+'}`),
    ['', 'a', 'dir', 'dir/new', 'dir/old', 'dir/two+', 'gone', 'link', 'link/x', 'link/y+'],
  );
  assert.deepEqual(shown(root, first)[0], 'changed a content');
  assert.equal(root.entries.get(t('dir'))?.mode, 0o700);
  assert.deepEqual(config, { os: 'two' });
  assert.equal(trace, undefined);
});

test('merge of flists with itself or with nothing changes no byte', () => {
  const nothing = { root: treeOf([]) };
  fc.assert(
    fc.property(flists, ({ root, config }) => {
      const flist = { root, ...(config === undefined ? {} : { config }) };
      const bytes = encodeFlist(flist);
      assert.deepEqual(encodeFlist(mergeFlists([flist])), bytes);
      assert.deepEqual(encodeFlist(mergeFlists([flist, flist])), bytes);
      assert.deepEqual(encodeFlist(mergeFlists([nothing, flist])), bytes);
    }),
  );
});

test('merge of flists one by one is the merge of all', () => {
  fc.assert(
    fc.property(flists, flists, flists, (one, two, three) => {
      assert.deepEqual(
        encodeFlist(mergeFlists([mergeFlists([one, two]), three])),
        encodeFlist(mergeFlists([one, two, three])),
      );
    }),
  );
});
