import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { BcdbClient, HttpHeadSource, HttpLightSource, HttpLogSource } from '../src/client.ts';
import { Follower } from '../src/follow/follower.ts';
import { HeadFollower } from '../src/follow/head-follower.ts';
import { lostRecords } from '../src/offline/lost-records.ts';
import { adoptHandover } from '../src/follow/adopt-handover.ts';
import { contact, ownerToken, serve, serveTeam } from './http-fixture.ts';
import { backUp, handOver, restoreOlder } from './support/handover-town.ts';
import { sameState } from './support/notes.ts';

const owner = SigningKey.generate();

test('clients and followers over HTTP go on over two handovers with their first trust', async (t) => {
  await using folder = await tempFolder();
  const dataDir = join(folder.path, 'a');
  let served = await serveTeam(t, { dataDir, owner });
  const { trust } = served;
  const old = await served.client();
  await old.write({ ns: 'team', op: 'put', url: contact, obj: 'a', value: { name: 'Anna' } });
  await old.checkpoint();
  const seen = old.lastCheckpoint ?? '';
  const headDir = join(folder.path, 'heads');
  const firstHeads = new HttpHeadSource({ url: served.url, log: trust.log });
  await using before = await HeadFollower.open({ dataDir: headDir, trust, source: firstHeads });
  await before.sync();
  await before.close();
  for (let round = 0; round < 2; round++) {
    await served.close();
    await handOver(dataDir, owner);
    served = await serve(t, { dataDir, owner });
    await served.bcdb.createNamespace(`round-${round}`);
  }
  const { url, bcdb } = served;
  const client = await BcdbClient.connect({ url, trust, token: ownerToken, lastCheckpoint: seen });
  assert.equal(client.trust.handovers?.length, 2);
  const proven = await client.prove('team', contact, 'a');
  assert.deepEqual(proven.value, { name: 'Anna' });
  // What it learned is enough for the next one, and does not contradict it.
  const { lastCheckpoint } = client;
  const again = await BcdbClient.connect({
    url,
    trust: client.trust,
    lastCheckpoint: lastCheckpoint ?? '',
  });
  assert.equal(again.trust, client.trust);
  // So does the first trust with a checkpoint of the newest key.
  await BcdbClient.connect({ url, trust, lastCheckpoint: lastCheckpoint ?? '' });

  const { log, genesis } = bcdb;
  await using heads = await HeadFollower.open({
    ...{ dataDir: headDir, trust, source: new HttpHeadSource({ url, log }) },
  });
  await heads.sync();
  assert.equal(heads.problem, undefined);
  assert.equal(heads.head?.size, bcdb.head.size);
  await heads.close();
  await using reopened = await HeadFollower.open({
    ...{ dataDir: headDir, trust, source: new HttpHeadSource({ url, log }) },
  });
  assert.equal(reopened.head?.size, heads.head.size);
  const source = new HttpLogSource({ url, log, token: ownerToken });
  await using follower = await Follower.open({
    ...{ dataDir: join(folder.path, 'copy'), genesis, log, source },
  });
  await sameState(follower, bcdb);
  assert.equal(follower.ledger.fold.handovers.sequencer, bcdb.sequencer);
  const shown = await new HttpLightSource({ url, log }).succession(AbortSignal.timeout(60_000));
  assert.deepEqual(shown, JSON.parse(JSON.stringify(bcdb.succession)));
});

test('a client that saw more than a restored log is told once, and sends it again', async (t) => {
  await using folder = await tempFolder();
  const [dataDir, copy, backup] = ['a', 'copy', 'backup'].map((name) => join(folder.path, name));
  assert.ok(dataDir !== undefined && copy !== undefined && backup !== undefined);
  {
    const first = await serveTeam(t, { dataDir, owner });
    await first.close();
  }
  await backUp(dataDir, backup);
  const served = await serve(t, { dataDir, owner });
  const { trust, bcdb: lost } = served;
  const { log, genesis } = lost;
  const client = await served.client();
  await client.write({ ns: 'team', op: 'put', url: contact, obj: 'b', value: { name: 'Bert' } });
  await client.checkpoint();
  const source = new HttpLogSource({ url: served.url, log, token: ownerToken });
  const follower = await Follower.open({ dataDir: copy, genesis, log, source });
  await sameState(follower, lost);
  await follower.close();
  const headDir = join(folder.path, 'heads');
  const firstHeads = new HttpHeadSource({ url: served.url, log });
  await using before = await HeadFollower.open({ dataDir: headDir, trust, source: firstHeads });
  await before.sync();
  await before.close();
  await served.close();

  const restored = await restoreOlder(folder.path, backup, owner);
  const { url, bcdb } = await serve(t, { dataDir: restored, owner });
  const options = { url, trust, token: ownerToken, lastCheckpoint: client.lastCheckpoint ?? '' };
  await assert.rejects(BcdbClient.connect(options), ({ code, details }: Refusal) => {
    assert.equal(code, 'BCDB_HANDED_OVER');
    assert.ok(Array.isArray(details.handovers));
    return true;
  });
  const nextHeads = new HttpHeadSource({ url, log });
  await using heads = await HeadFollower.open({ dataDir: headDir, trust, source: nextHeads });
  assert.equal(heads.head?.size, before.head?.size);
  await assert.rejects(heads.sync(), { code: 'BCDB_HANDED_OVER' });
  await heads.sync();
  assert.equal(heads.problem, undefined);
  const { lastCheckpoint: _seen, ...withoutMemory } = options;
  const again = await BcdbClient.connect(withoutMemory);
  const { lostFile = '' } = await adoptHandover(copy, bcdb.succession);
  for await (const { entry } of lostRecords(lostFile, log)) await again.append(entry);
  const { value } = await again.get('team', contact, 'b', { minSeq: bcdb.head.size - 1 });
  assert.deepEqual(value, { name: 'Bert' });
  await assert.rejects(Array.fromAsync(lostRecords(lostFile, 'L'.repeat(43))), {
    code: 'BCDB_OTHER_LOG',
  });
  await assert.rejects(Array.fromAsync(lostRecords(backup, log)), { code: 'BCDB_EXPORT_INVALID' });
});

interface Refusal {
  readonly code: string;
  readonly details: { readonly handovers?: unknown };
}
