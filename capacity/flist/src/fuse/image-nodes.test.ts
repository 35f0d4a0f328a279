import assert from 'node:assert/strict';
import { test } from 'node:test';

import { objectIdOf } from '../format/object-id.ts';
import { byteTextFrom } from '../tree/byte-text.ts';
import type { Directory, Inode, RegularFile } from '../tree/inode.ts';
import { ImageNodes } from './image-nodes.ts';

const base = { mode: 0o644, uid: 3, gid: 4, mtimeNs: 0n, xattrs: [] };

function fileOf(fill: number): RegularFile {
  return { ...base, kind: 'file', sizeBytes: fill, chunkHashes: Buffer.alloc(32, fill) };
}

function directoryOf(entries: Readonly<Record<string, Inode>>): Directory {
  const pairs = Object.entries(entries).map(
    ([name, inode]) => [byteTextFrom(name), inode] as const,
  );
  return { ...base, kind: 'directory', mode: 0o755, entries: new Map(pairs) };
}

const [one, two] = [fileOf(1), fileOf(2)];
const root = directoryOf({ a: directoryOf({ one }), b: one, c: two });

function served(): ImageNodes {
  const nodes = new ImageNodes(Buffer.alloc(32, 1));
  nodes.addObjects([one, two]);
  nodes.addTree(root, { name: 'img', uidShift: 100, gidShift: 200 });
  return nodes;
}

function nodeAt(nodes: ImageNodes, ...names: string[]): bigint | undefined {
  let nodeId: bigint | undefined = 1n;
  for (const name of names) {
    if (nodeId === undefined) return undefined;
    nodeId = nodes.lookup(nodeId, byteTextFrom(name))?.nodeId;
  }
  return nodeId;
}

test('an object is found under its id as long as an image has it', () => {
  const nodes = served();
  const id = objectIdOf(one);
  nodes.addObjects([one]);
  nodes.removeObjects([one, two]);
  const nodeId = nodeAt(nodes, id.slice(0, 2), id);
  assert.equal(nodes.stat(nodeId ?? 0n)?.sizeBytes, 1);
  assert.equal(nodes.readTarget(nodeId ?? 0n)?.object.id, id);
  assert.equal(nodeAt(nodes, objectIdOf(two).slice(0, 2), objectIdOf(two)), undefined);
  nodes.removeObjects([one]);
  assert.equal(nodeAt(nodes, id.slice(0, 2), id), undefined);
  assert.equal(nodes.stat(nodeId ?? 0n), undefined);
});

test('an object is found only in the folder that its id begins with', () => {
  const id = objectIdOf(one);
  const other = id.startsWith('00') ? '01' : '00';
  assert.equal(nodeAt(served(), other, id), undefined);
});

test('a tree has owners shifted, links counted and names listed from any place on', () => {
  const nodes = served();
  const b = nodeAt(nodes, 'trees', 'img', 'b') ?? 0n;
  assert.equal(nodeAt(nodes, 'trees', 'img', 'a', 'one'), b);
  const stat = nodes.stat(b);
  assert.deepEqual([stat?.linkCount, stat?.uid, stat?.gid], [2, 103, 204]);
  const tree = nodeAt(nodes, 'trees', 'img') ?? 0n;
  assert.equal(nodes.stat(tree)?.linkCount, 3);
  assert.deepEqual(
    [...nodes.list(tree, 0)].map(([name]) => name),
    ['.', '..', 'a', 'b', 'c'],
  );
  assert.deepEqual(
    [...nodes.list(tree, 3)].map(([name]) => name),
    ['b', 'c'],
  );
  nodes.removeTree('img');
  assert.equal(nodes.stat(b), undefined);
});

test('numbers of nodes are the same in another server, whatever was asked before', () => {
  const nodes = new ImageNodes(Buffer.alloc(32, 1));
  nodes.addTree(directoryOf({}), { name: 'other', uidShift: 0, gidShift: 0 });
  nodes.addObjects([two, one]);
  nodes.addTree(root, { name: 'img', uidShift: 100, gidShift: 200 });
  for (const path of [
    ['trees', 'img', 'a', 'one'],
    [objectIdOf(two).slice(0, 2), objectIdOf(two)],
  ]) {
    assert.equal(nodeAt(nodes, ...path), nodeAt(served(), ...path));
  }
});
