import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';
import { canonicalBytes, SigningKey } from '@commongrid/crypto';
import { examples, fakeId } from '@commongrid/model/testing';
import { signRecord } from '../src/record/author.ts';
import { checkRecord } from '../src/record/checked-record.ts';
import { toBase64url } from '../src/tree/base64.ts';
import { serve } from './http-fixture.ts';
import { openGrid } from './support/open-grid.ts';
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

test('a record under rules has no effect unless it names a head that its author saw', async (t) => {
  const { bcdb, owner, client: connect } = await serve(t);
  const ada = await (await openGrid(bcdb)).citizen('ada');
  const id = fakeId.farm(1);
  const url = 'grid.farm.1';
  const value = { ...examples[url], id, owner: ada.id };
  const schema = bcdb.schemaOf('grid', url);
  const farm = { ns: 'grid', op: 'put', url, obj: id, schema } as const;
  const grants = { ns: 'grid', op: 'put', url: 'bcdb.acl.1', obj: `object/${url}/${id}` } as const;
  for (const [key, said, payload] of [
    [ada.device, farm, value],
    [owner, grants, { grants: [] }],
  ] as const) {
    const n = bcdb.lastN(key.publicKey.text) + 1;
    const statement = { ...said, payload: canonicalBytes(payload) };
    const entry = signRecord(key, statement, { log: bcdb.log, n, t: 0 });
    await assert.rejects(bcdb.append(entry), { code: 'BCDB_SEEN_MISSING' });
    assert.equal(bcdb.lastN(key.publicKey.text), n - 1);
  }
  // A client is told so, and names the head that it verified.
  const client = await connect({ key: ada.device });
  const head = client.lastHead;
  const [first, second] = await Promise.all([
    client.write({ ns: 'grid', op: 'put', url, obj: id, value }),
    client.write({ ns: 'grid', op: 'put', url, obj: id, value: { ...value, name: 'attic' } }),
  ]);
  for (const { seq } of [first, second]) {
    for await (const [entry] of bcdb.read(seq, seq + 1)) {
      assert.ok(entry !== undefined);
      const { seen } = checkRecord(entry).envelope;
      assert.deepEqual(seen, { size: head?.size, root: head?.root });
    }
  }
});
