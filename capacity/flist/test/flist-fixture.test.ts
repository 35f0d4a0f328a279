import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { SigningKey } from '@commongrid/crypto';
import { decodeFlist } from '../src/format/decode-flist.ts';
import { encodeFlist } from '../src/format/encode-flist.ts';
import { signFlist, verifyFlistSignature } from '../src/format/flist-signature.ts';
import { flistDigestOf } from '../src/format/flist.ts';
import { objectIdOf } from '../src/format/object-id.ts';
import { packFlist, unpackFlist } from '../src/format/pack-flist.ts';
import { diffFlists } from '../src/tree/diff-flists.ts';
import { walkTree } from '../src/tree/walk-tree.ts';
import { flistV1, flistV1AtMs, flistV1KeySeed } from './fixtures/flist-v1-facts.ts';

const fixture = (name: string): Promise<Buffer> =>
  readFile(new URL(`fixtures/flist-v1/${name}`, import.meta.url));
const jsonOf = async (name: string): Promise<unknown> =>
  JSON.parse((await fixture(name)).toString('utf8'));

test('flist of version 1 is written as it was', async () => {
  assert.deepEqual(encodeFlist(flistV1), await fixture('canonical'));
});

test('flist of version 1 is read as it was written', async () => {
  const decoded = decodeFlist(await fixture('canonical'));
  const { configFields, changes } = diffFlists(flistV1, decoded);
  assert.deepEqual([...changes], []);
  assert.deepEqual(configFields, []);
  const ranges = decoded.trace?.map(({ file, ...range }) => ({ ...range, id: objectIdOf(file) }));
  assert.deepEqual(
    ranges,
    flistV1.trace?.map(({ file, ...range }) => ({ ...range, id: objectIdOf(file) })),
  );
  const objects = [...walkTree(decoded.root)].flatMap(({ inode }) =>
    inode.kind === 'file' ? [objectIdOf(inode)] : [],
  );
  assert.deepEqual(objects, await jsonOf('objects.json'));
});

test('flist of version 1 is unpacked as it was packed', async () => {
  assert.deepEqual(await unpackFlist(await fixture('packed.flist')), await fixture('canonical'));
});

test('signature of an flist of version 1 is made and believed as it was', async () => {
  const digest = flistDigestOf(await fixture('canonical'));
  const key = SigningKey.fromSeed(flistV1KeySeed);
  const signature = await jsonOf('signature.json');
  assert.deepEqual(signFlist(key, digest, flistV1AtMs), signature);
  assert.ok(verifyFlistSignature(signature, digest).equals(key.publicKey));
});

test('unpacking refuses what is no frame, ends early or grows too large', async () => {
  const packed = await packFlist(encodeFlist(flistV1));
  for (const wrong of [new Uint8Array(), Buffer.from('no frame'), packed.subarray(0, -1)]) {
    await assert.rejects(unpackFlist(wrong), { code: 'FLIST_CORRUPT' });
  }
  // 300 MiB of zeros in some kilobytes.
  const block = Buffer.alloc(1024 * 1024);
  const frame = await packFlist(block);
  const bomb = Buffer.concat(Array.from({ length: 300 }, () => frame));
  await assert.rejects(unpackFlist(bomb), { code: 'FLIST_TOO_LARGE' });
});
