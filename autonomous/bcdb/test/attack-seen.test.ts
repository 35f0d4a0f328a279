import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { toBase64url } from '../src/tree/base64.ts';
import { follow, openNotes, sameState, signNote, verifyAll } from './support/notes.ts';

test('what an author saw is judged alike however a replica cuts its batches', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  await using bcdb = await openNotes({ dataDir: join(folder.path, 'a'), owner });
  // The sequencer judges each of these on top of a log that has what was seen; a replica takes them
  // all in one batch, on top of an empty log.
  for (let index = 0; index < 30; index++) {
    const { size, root } = bcdb.head;
    const seen = { size, root: toBase64url(root) };
    await bcdb.append(signNote(bcdb, owner, { obj: `n${index}`, value: {}, seen }));
  }
  await using follower = await follow(join(folder.path, 'b'), bcdb);
  await sameState(follower, bcdb);
  assert.equal((await verifyAll(folder.path, bcdb)).fault, undefined);
});

test('an author who saw another log, or more of it than there is, is refused', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  await using bcdb = await openNotes({ dataDir: folder.path, owner });
  const { size, root } = bcdb.head;
  const other = { size, root: toBase64url(new Uint8Array(32)) };
  const later = { size: size + 5, root: toBase64url(root) };
  for (const seen of [other, later]) {
    const entry = signNote(bcdb, owner, { obj: 'n', value: {}, seen });
    await assert.rejects(bcdb.append(entry), { code: 'BCDB_FORKED_VIEW' });
  }
  assert.equal(bcdb.head.size, size);
});
