import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';

import { encodeFlist } from '../src/format/encode-flist.ts';
import { flistFactsOf } from '../src/hub/flist-facts.ts';
import { flistFacts } from '../src/hub/heavy-work.ts';
import { mergeFlists } from '../src/tree/merge-flists.ts';
import { imageOf } from './store-images.ts';

/** Canonical bytes of an image that is looked through in a thread of its own. */
const { flist } = imageOf(
  Object.fromEntries(
    Array.from({ length: 8_000 }, (_, index) => [`file ${index}`, Buffer.from(`${index % 5_000}`)]),
  ),
);
const bytes = encodeFlist(flist);
assert.ok(bytes.length > 256 * 1024);
const small = imageOf({ 'file 1': Buffer.from('other'), more: Buffer.from('more') });

test('a large image is the same in a thread of its own', async () => {
  const facts = await flistFacts([Buffer.from(bytes)]);
  const expected = flistFactsOf([bytes]);
  assert.deepEqual(Buffer.from(facts.bytes), bytes);
  assert.deepEqual(Buffer.from(facts.chunkHashes), expected.chunkHashes);
  assert.equal(facts.digest, expected.digest);
  assert.equal(facts.contentBytes, expected.contentBytes);
  assert.equal(facts.chunkHashes.length, 5_000 * 32);
});

test('images are put on each other in a thread of its own', async () => {
  const facts = await flistFacts([Buffer.from(bytes), encodeFlist(small.flist)]);
  const merged = encodeFlist(mergeFlists([flist, small.flist]));
  assert.deepEqual(Buffer.from(facts.bytes), merged);
});

test('a large image that is damaged is refused as a small one is', async () => {
  const torn = Buffer.from(bytes.subarray(0, -1));
  await assert.rejects(flistFacts([torn]), hasCode('FLIST_CORRUPT'));
  const smallBytes = encodeFlist(small.flist);
  await assert.rejects(flistFacts([smallBytes.subarray(1)]), hasCode('FLIST_CORRUPT'));
});
