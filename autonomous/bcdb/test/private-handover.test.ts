import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';
import { SealingKey, SigningKey } from '@commongrid/crypto';
import { PrivateNamespace } from '../src/client.ts';
import { serve } from './http-fixture.ts';
import { backUp, restoreOlder } from './support/handover-town.ts';

const note = 'net.example.note.1';
const ns = 'secret';

test('nothing is sealed with a key of a branch that was given up, once that is known', async (t) => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  const dataDir = join(folder.path, 'a');
  const key = SealingKey.generate();
  const first = await serve(t, { dataDir, owner });
  const maker = await first.client();
  await PrivateNamespace.create({ client: maker, ns, key, admin: first.bcdb.owner });
  await first.close();
  const backup = join(folder.path, 'backup');
  await backUp(dataDir, backup);
  const port = Number(new URL(first.url).port);
  const lost = await serve(t, { dataDir, owner, port });
  const client = await lost.client();
  const space = new PrivateNamespace({ client, ns, key });
  const { epoch } = await space.changeReaders({});
  for (let n = 0; n < 10; n++) await space.put({ url: note, obj: 'a', value: { n } });
  await client.checkpoint();
  assert.equal(await client.isPrivate(ns), true);
  await lost.close();

  const restored = await restoreOlder(folder.path, backup, owner);
  const served = await serve(t, { dataDir: restored, owner, port });
  // The same epoch has other readers in the branch that goes on.
  const next = await served.client();
  const bob = SealingKey.generate();
  const again = new PrivateNamespace({ client: next, ns, key });
  const change = await again.changeReaders({ add: [bob.publicKey.text] });
  assert.equal(change.epoch, epoch);
  await assert.rejects(client.checkpoint(), { code: 'BCDB_HANDED_OVER' });
  const { seq } = await space.put({ url: note, obj: 'b', value: { text: 'for Bob, too' } });
  const bobs = new PrivateNamespace({ client: next, ns, key: bob });
  const read = await bobs.get(note, 'b', { minSeq: seq });
  assert.deepEqual(read.value, { text: 'for Bob, too' });
  assert.equal(await client.isPrivate(ns), true);
});
