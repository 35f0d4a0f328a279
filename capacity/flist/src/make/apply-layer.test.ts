import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isGridError } from '@commongrid/base';
import fc from 'fast-check';

import { byteTextFrom } from '../tree/byte-text.ts';
import { TreeBuilder } from '../tree/tree-builder.ts';
import { walkTree } from '../tree/walk-tree.ts';
import { applyLayer, putAll } from './apply-layer.ts';
import type { LayerItem } from './read-layer.ts';

/**
 * One entry: `a/` a folder, `a` a file, `a -> b` a symlink, `a = b` a hard link. Files have the
 * number of their layer as uid.
 */
function itemOf(text: string, layer: number): LayerItem {
  const [path = '', arrow, target = ''] = text.split(' ');
  const base = { mode: 0o755, uid: layer, gid: 0, mtimeNs: 0n, xattrs: [] };
  const item = (node: LayerItem['node']): LayerItem => ({ path: byteTextFrom(path), node });
  if (arrow === '=') return item(byteTextFrom(target));
  if (arrow === '->') return item({ ...base, kind: 'symlink', target: byteTextFrom(target) });
  if (path.endsWith('/')) return item({ ...base, kind: 'directory' });
  return item({ ...base, kind: 'file', sizeBytes: 0, chunkHashes: new Uint8Array(0) });
}

/** Paths of what there is after all layers, files with their layer. */
function after(...layers: readonly string[][]): string[] {
  const builder = new TreeBuilder();
  layers.forEach((texts, at) => {
    applyLayer(
      builder,
      texts.map((text) => itemOf(text, at + 1)),
    );
  });
  const found: string[] = [];
  for (const { path, inode } of walkTree(builder.finish())) {
    if (inode.kind === 'file') found.push(`${path}:${inode.uid}`);
    else if (inode.kind === 'symlink') found.push(`${path}->${inode.target}`);
    else if (path !== '') found.push(`${path}/`);
  }
  return found;
}

test('a whiteout takes away what lower layers have of its name', () => {
  assert.deepEqual(after(['a', 'b'], ['.wh.a']), ['b:1']);
  assert.deepEqual(after(['d/x', 'd/y'], ['d/.wh.x']), ['d/', 'd/y:1']);
  assert.deepEqual(after(['d/x', 'e'], ['.wh.d']), ['e:1']);
  assert.deepEqual(after(['a'], ['.wh.absent', 'no/.wh.where']), ['a:1']);
  assert.deepEqual(after(['d/x'], ['./d/.wh.x']), ['d/']);
});

test('a whiteout leaves alone what its own layer has, wherever it stands', () => {
  assert.deepEqual(after(['a'], ['a', '.wh.a']), ['a:2']);
  assert.deepEqual(after(['d/x'], ['d/y', '.wh.d']), ['d/', 'd/y:2']);
  assert.deepEqual(after(['d/x'], ['.wh.d', 'd']), ['d:2']);
});

test('an opaque directory keeps only what its own layer puts into it', () => {
  assert.deepEqual(after(['d/x', 'd/e/y'], ['d/z', 'd/.wh..wh..opq']), ['d/', 'd/z:2']);
  assert.deepEqual(after(['d/x'], ['d/.wh..wh..opq', 'd/z']), ['d/', 'd/z:2']);
  assert.deepEqual(after(['x'], ['.wh..wh..opq', 'y']), ['y:2']);
});

test('a whiteout below a symlink means what the symlink leads to', () => {
  const lower = ['usr/lib/x', 'lib -> usr/lib'];
  const rest = ['lib->usr/lib', 'usr/', 'usr/lib/'];
  assert.deepEqual(after(lower, ['lib/.wh.x']), rest);
  assert.deepEqual(after(lower, ['lib/.wh..wh..opq']), rest);
  assert.deepEqual(after(lower, ['lib/y']), [...rest, 'usr/lib/x:1', 'usr/lib/y:2']);
});

test('a symlink that leads out of the image leads to its root', () => {
  const rest = ['etc/', 'etc/passwd:1'];
  for (const target of ['/etc', '../../../etc', '/../etc/.']) {
    const lower = ['etc/passwd', `d -> ${target}`];
    const link = `d->${target}`;
    assert.deepEqual(after(lower, ['d/x']), [link, ...rest, 'etc/x:2']);
    assert.deepEqual(after(lower, ['d/.wh.passwd']), [link, 'etc/']);
    assert.deepEqual(after(lower, ['x = d/passwd']), [link, ...rest, 'x:1']);
  }
});

test('a whiteout in a directory that replaces a symlink spares where the symlink led', () => {
  const lower = ['data/x', 'd -> data'];
  const upper = ['d/', 'd/.wh..wh..opq', 'd/.wh.x', 'd/y'];
  assert.deepEqual(after(lower, upper), ['d/', 'd/y:2', 'data/', 'data/x:1']);
});

test('a hard link can be made of a file that the same layer takes away', () => {
  assert.deepEqual(after(['a'], ['b = a', '.wh.a']), ['b:1']);
  assert.deepEqual(after(['a'], ['b = a']), ['a:1', 'b:1']);
});

test('what aufs kept for itself is no part of an image', () => {
  assert.deepEqual(after(['a'], ['.wh..wh.plnk/', '.wh..wh.plnk/12.3', '.wh..wh.aufs']), ['a:1']);
});

test('layers cannot say what makes no sense', () => {
  const refused = (...texts: string[]): string => {
    try {
      after(['a'], texts);
    } catch (error) {
      assert.ok(isGridError(error), String(error));
      return error.code;
    }
    return 'taken';
  };
  assert.equal(refused('.wh.'), 'FLIST_NAME_INVALID');
  assert.equal(refused('d/.wh..'), 'FLIST_NAME_INVALID');
  assert.equal(refused('d/.wh...'), 'FLIST_NAME_INVALID');
  assert.equal(refused('.wh.a/b'), 'FLIST_NAME_INVALID');
  assert.equal(refused('../.wh.a'), 'FLIST_NAME_INVALID');
  assert.equal(refused('../a'), 'FLIST_NAME_INVALID');
  assert.equal(refused('b = absent'), 'FLIST_LINK_BROKEN');
  assert.equal(refused('b = ../a'), 'FLIST_NAME_INVALID');
});

test('names of whiteouts are names like others where there are no layers', () => {
  const builder = new TreeBuilder();
  putAll(builder, [itemOf('.wh.a', 1)]);
  assert.deepEqual([...builder.finish().entries.keys()], ['.wh.a']);
});

test('layers of any names make a tree or end in an error with a code', () => {
  const part = fc.constantFrom('a', 'b', '.', '..', '', '.wh.a', '.wh.', '.wh..wh..opq', '.wh..');
  const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const entry = fc.oneof(
    path,
    path.map((folder) => `${folder}/`),
    fc.tuple(path, fc.constantFrom('->', '='), path).map((parts) => parts.join(' ')),
  );
  const layers = fc.array(fc.array(entry, { maxLength: 6 }), { maxLength: 3 });
  fc.assert(
    fc.property(layers, (texts) => {
      try {
        for (const found of after(...texts)) {
          const [where = ''] = found.split(/->|:/);
          assert.doesNotMatch(where, /(^|\/)(\.wh\.|\.\.?(\/|$))/);
        }
      } catch (error) {
        assert.ok(isGridError(error), String(error));
      }
    }),
    { numRuns: 500 },
  );
});
