import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { byteTextFrom as t, shownText } from './byte-text.ts';
import type { NewNode } from './check-inode.ts';
import { findPath } from './find-path.ts';
import type { Directory } from './inode.ts';
import { TreeBuilder } from './tree-builder.ts';
import { walkTree } from './walk-tree.ts';

const base = { mode: 0o644, uid: 0, gid: 0, mtimeNs: 1n, xattrs: [] };
const empty: NewNode = { ...base, kind: 'file', sizeBytes: 0, chunkHashes: new Uint8Array() };
const folder: NewNode = { ...base, kind: 'directory', mode: 0o700 };
const link = (target: string): NewNode => ({ ...base, kind: 'symlink', target: t(target) });
const sized = (sizeBytes: number): NewNode => ({
  ...base,
  kind: 'file',
  sizeBytes,
  chunkHashes: new Uint8Array(32),
});

/** `path kind` of each name, links to an earlier name with a `+`. */
function listed(root: Directory): string[] {
  return [...walkTree(root)].map(
    ({ path, inode, isFirstName }) => `${shownText(path)} ${inode.kind}${isFirstName ? '' : '+'}`,
  );
}

test('tree builder makes missing parents and sorts names by bytes', () => {
  const builder = new TreeBuilder();
  for (const path of ['./b/c//d', '/a', 'B/', 'ä', 'b/a']) builder.put(t(path), empty);
  const root = builder.finish();
  assert.deepEqual(listed(root), [
    ' directory',
    'B file',
    'a file',
    'b directory',
    'b/a file',
    'b/c directory',
    'b/c/d file',
    'ä file',
  ]);
  const { entries, ...made } = root.entries.get(t('b')) as Directory;
  assert.equal(entries.size, 2);
  assert.deepEqual(made, {
    kind: 'directory',
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtimeNs: 0n,
    xattrs: [],
  });
});

test('tree builder refuses names that lead out or are none', () => {
  const builder = new TreeBuilder();
  for (const path of ['..', 'a/../b', 'a/..', 'a\0b', 'x'.repeat(256)]) {
    assert.throws(() => builder.put(t(path), empty), { code: 'FLIST_NAME_INVALID' }, path);
  }
  assert.throws(() => builder.put(t('/'), empty), { code: 'FLIST_NOT_DIRECTORY' });
  assert.throws(() => builder.remove(t('.')), { code: 'FLIST_NOT_DIRECTORY' });
  assert.deepEqual(listed(builder.finish()), [' directory']);
});

test('tree builder replaces what is there and keeps entries of a directory put on a directory', () => {
  const builder = new TreeBuilder();
  builder.put(t('d/x'), empty);
  builder.put(t('d'), folder);
  assert.deepEqual(listed(builder.finish()), [' directory', 'd directory', 'd/x file']);
  assert.equal(builder.get(t('d'))?.mode, 0o700);
  builder.put(t('d'), link('x'));
  assert.deepEqual(listed(builder.finish()), [' directory', 'd symlink']);
  builder.put(t('d'), folder);
  assert.deepEqual(listed(builder.finish()), [' directory', 'd directory']);
  builder.put(t(''), { ...folder, mode: 0o711 });
  assert.equal(builder.finish().mode, 0o711);
});

test('tree builder does not go through a file', () => {
  const builder = new TreeBuilder();
  builder.put(t('f'), empty);
  assert.throws(() => builder.put(t('f/x'), empty), { code: 'FLIST_NOT_DIRECTORY' });
  assert.equal(builder.get(t('f/x')), undefined);
  builder.remove(t('f/x'));
  builder.clear(t('f'));
  assert.deepEqual(listed(builder.finish()), [' directory', 'f file']);
});

test('tree builder follows symlinked parents inside the root only', () => {
  const builder = new TreeBuilder();
  builder.put(t('usr/lib'), folder);
  builder.put(t('lib'), link('usr/lib'));
  builder.put(t('abs'), link('/usr/lib'));
  builder.put(t('usr/up'), link('../../../../usr/lib'));
  builder.put(t('away'), link('../made/here'));
  builder.put(t('gone'), link('not/../there'));
  for (const [at, path] of ['lib/a', 'abs/b', 'usr/up/c', 'away/d', 'gone/e'].entries()) {
    builder.put(t(path), sized(at + 1));
  }
  const root = builder.finish();
  const names = listed(root).filter((line) => line.endsWith(' file'));
  assert.deepEqual(names, [
    'made/here/d file',
    'there/e file',
    'usr/lib/a file',
    'usr/lib/b file',
    'usr/lib/c file',
  ]);
  assert.equal(shownText(builder.realPath(t('/usr//up/./c'))), 'usr/lib/c');
  assert.equal(shownText(builder.realPath(t('away/new/x'))), 'made/here/new/x');
  assert.equal(builder.realPath(t('./')), '');
});

test('tree builder refuses symlinks in a circle and too many of them', () => {
  const builder = new TreeBuilder();
  builder.put(t('a'), link('b'));
  builder.put(t('b'), link('a'));
  assert.throws(() => builder.put(t('a/x'), empty), { code: 'FLIST_LINK_LOOP' });
  builder.put(t('l0'), folder);
  for (let n = 1; n <= 41; n++) builder.put(t(`l${n}`), link(`l${n - 1}`));
  builder.put(t('l40/x'), empty);
  assert.throws(() => builder.put(t('l41/x'), empty), { code: 'FLIST_LINK_LOOP' });
});

test('tree builder keeps a hard linked inode until its last name goes', () => {
  const builder = new TreeBuilder({ inodesMax: 3, namesMax: 4 });
  builder.put(t('d/a'), sized(5));
  builder.link(t('b'), t('d/a'));
  builder.link(t('b'), t('d/a'));
  assert.deepEqual(listed(builder.finish()), [' directory', 'b file', 'd directory', 'd/a file+']);
  builder.remove(t('d/a'));
  builder.link(t('d/a'), t('b'));
  // The folder goes that has the other name.
  builder.link(t('d'), t('d/a'));
  assert.deepEqual(listed(builder.finish()), [' directory', 'b file', 'd file+']);
  builder.remove(t('b'));
  builder.remove(t('d'));
  builder.put(t('x'), empty);
  builder.put(t('y'), empty);
  assert.throws(() => builder.put(t('z'), empty), { code: 'FLIST_TOO_LARGE' });
});

test('tree builder refuses hard links to nothing and to directories', () => {
  const builder = new TreeBuilder();
  builder.put(t('d'), folder);
  for (const target of ['none', 'd', '', 'd/x/y']) {
    assert.throws(() => builder.link(t('l'), t(target)), { code: 'FLIST_LINK_BROKEN' }, target);
  }
});

test('tree builder empties a directory and keeps it', () => {
  const builder = new TreeBuilder();
  builder.put(t('d/e/f'), empty);
  builder.put(t('d/g'), empty);
  builder.clear(t('d'));
  builder.clear(t('none'));
  assert.deepEqual(listed(builder.finish()), [' directory', 'd directory']);
  builder.put(t('x'), empty);
  builder.clear(t('/'));
  assert.deepEqual(listed(builder.finish()), [' directory']);
});

test('tree builder refuses inodes that images cannot have', () => {
  const builder = new TreeBuilder();
  const xattr = (name: string, value = 'v') => ({ name: t(name), value: Buffer.from(value) });
  const wrong: [NewNode, string][] = [
    [{ ...empty, uid: 65_536 }, 'FLIST_ID_OUT_OF_RANGE'],
    [{ ...empty, gid: -1 }, 'FLIST_ID_OUT_OF_RANGE'],
    [{ ...empty, mode: 0o10000 }, 'FLIST_NODE_INVALID'],
    [{ ...empty, mtimeNs: 2n ** 52n * 1_000_000_000n }, 'FLIST_NODE_INVALID'],
    [{ ...sized(5), chunkHashes: new Uint8Array(31) } as NewNode, 'FLIST_NODE_INVALID'],
    [sized(0), 'FLIST_NODE_INVALID'],
    [sized(1.5), 'FLIST_NODE_INVALID'],
    [link(''), 'FLIST_NODE_INVALID'],
    [link('x'.repeat(4096)), 'FLIST_NODE_INVALID'],
    [{ ...base, kind: 'block-device', major: 4096, minor: 0 }, 'FLIST_NODE_INVALID'],
    [{ ...empty, xattrs: [xattr('trusted.x')] }, 'FLIST_XATTR_FORBIDDEN'],
    [{ ...empty, xattrs: [xattr('user.')] }, 'FLIST_XATTR_FORBIDDEN'],
    [{ ...empty, xattrs: [xattr('user.overlay.redirect')] }, 'FLIST_XATTR_FORBIDDEN'],
    [{ ...empty, xattrs: [xattr('user.a'), xattr('user.a')] }, 'FLIST_NODE_INVALID'],
    [{ ...empty, xattrs: [xattr('user.a', 'x'.repeat(65_531))] }, 'FLIST_TOO_LARGE'],
  ];
  for (const [node, code] of wrong) {
    const details = { path: 'odd/n\\x0ame' };
    assert.throws(
      () => builder.put(t('odd/n\nme'), node),
      (error: { code: string; details: { path: string } }) => {
        assert.equal(error.code, code);
        assert.equal(error.details.path, details.path);
        return true;
      },
    );
  }
  assert.deepEqual(listed(builder.finish()), [' directory']);
});

test('tree builder sorts attributes', () => {
  const builder = new TreeBuilder();
  const names = ['user.b', 'security.capability', 'user.a'];
  const xattrs = names.map((name) => ({ name: t(name), value: Buffer.of(1) }));
  builder.put(t('f'), { ...empty, xattrs });
  const sorted = builder.get(t('f'))?.xattrs.map(({ name }) => name);
  assert.deepEqual(sorted, ['security.capability', 'user.a', 'user.b']);
});

test('tree builder stops at its limits', () => {
  const bytes = new TreeBuilder({ bytesMax: 400 });
  assert.throws(() => bytes.put(t('a'), link('x'.repeat(400))), { code: 'FLIST_TOO_LARGE' });
  const deep = new TreeBuilder();
  deep.put(t('d/'.repeat(1024)), folder);
  assert.throws(() => deep.put(t('d/'.repeat(1025)), folder), { code: 'FLIST_TOO_LARGE' });
  const followed = new TreeBuilder({ followedNamesMax: 6 });
  followed.put(t('lib'), link('usr/./lib/../lib'));
  followed.put(t('lib/x'), empty);
  assert.throws(() => followed.get(t('lib/x')), { code: 'FLIST_TOO_LARGE' });
  const xattrs = [{ name: t('user.a'), value: Buffer.of(1) }];
  const attributes = new TreeBuilder({ xattrsMax: 1 });
  attributes.put(t('a'), { ...empty, xattrs });
  attributes.put(t('a'), { ...empty, xattrs });
  assert.throws(() => attributes.put(t('b'), { ...empty, xattrs }), { code: 'FLIST_TOO_LARGE' });
});

test('tree builder counts the same after any changes as when it made only what is left', () => {
  const paths = fc.constantFrom('a', 'b', 'a/b', 'a/c', 'a/b/c', 'b/d').map((text) => t(text));
  const namesFree = 40;
  const change = fc.oneof(
    fc.tuple(fc.constant('put'), paths, fc.constantFrom(empty, folder, sized(7), link('a'))),
    fc.tuple(fc.constant('link'), paths, paths),
    fc.tuple(fc.constant('remove'), paths),
    fc.tuple(fc.constant('clear'), paths),
  );
  fc.assert(
    fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
      const limits = { namesMax: namesFree, inodesMax: namesFree + 1 };
      const builder = new TreeBuilder(limits);
      for (const [verb, path, what] of changes) {
        try {
          if (verb === 'put') builder.put(path, what);
          else if (verb === 'link') builder.link(path, what);
          else if (verb === 'remove') builder.remove(path);
          else builder.clear(path);
        } catch (error) {
          const { code } = error as { code: string };
          assert.ok(['FLIST_NOT_DIRECTORY', 'FLIST_LINK_BROKEN', 'FLIST_LINK_LOOP'].includes(code));
        }
      }
      // However it came about, all that may be there fits again.
      builder.clear(t(''));
      for (let n = 0; n < namesFree; n++) builder.put(t(`n${n}`), empty);
      assert.throws(() => builder.put(t('more'), empty), { code: 'FLIST_TOO_LARGE' });
    }),
  );
});

test('find path follows links on the way, at the end where it is told to', () => {
  const builder = new TreeBuilder();
  builder.put(t('usr/bin/tool'), sized(3));
  builder.put(t('bin'), link('usr/bin'));
  builder.put(t('usr/bin/t'), link('/bin/../bin/tool'));
  builder.put(t('dead'), link('nowhere'));
  const root = builder.finish();
  const tool = findPath(root, t('/usr/bin/tool'));
  assert.equal(tool?.kind, 'file');
  assert.equal(findPath(root, t('bin/tool')), tool);
  assert.equal(findPath(root, t('bin/t'))?.kind, 'symlink');
  assert.equal(findPath(root, t('bin/t'), { followLinks: true }), tool);
  assert.equal(findPath(root, t('bin/tool/x')), undefined);
  assert.equal(findPath(root, t('dead'), { followLinks: true }), undefined);
  assert.equal(findPath(root, t('none/x')), undefined);
  assert.equal(findPath(root, t('/')), root);
  assert.equal(findPath(root, t('usr/..')), root);
  assert.equal(findPath(root, t('usr/bin/..')), root.entries.get(t('usr')));
  assert.equal(findPath(root, t('bin/..')), root.entries.get(t('usr')));
});
