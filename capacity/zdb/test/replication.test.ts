import assert from 'node:assert/strict';
import { open, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { realFiles } from '@commongrid/files';
import { Store } from '../src/engine/store.ts';
import { StateFile } from '../src/replication/replication-state.ts';
import {
  caughtUp,
  contentOf,
  infoField,
  newest,
  openPeer,
  replicaOf,
} from './support/replicated.ts';

test('replica holds what its master holds, settings, deletes and history included', async () => {
  await using folder = await tempFolder('replication');
  await using master = await openPeer(`${folder.path}/a`);
  const { client } = master;
  await client.command(['NSNEW', 'one']);
  await client.command(['NSSET', 'one', 'history', 'all']);
  await client.command(['NSNEW', 'numbers']);
  await client.command(['NSSET', 'numbers', 'mode', 'seq']);
  await client.command(['SELECT', 'one']);
  for (let i = 0; i < 300; i++) await client.command(['SET', `key${i % 40}`, `value ${i}`]);
  for (let i = 0; i < 10; i++) await client.command(['DEL', `key${i * 3}`]);
  await client.command(['SET', 'large', Buffer.alloc(3_000_000, 7)]);
  await using replica = await openPeer(`${folder.path}/b`, replicaOf(master));
  await caughtUp(master.server, replica.server);
  await client.command(['MSET', 'm1', 'x', 'm2', 'y']);
  await client.command(['SELECT', 'numbers']);
  for (let i = 0; i < 20; i++) await client.command(['SET', '', `value ${i}`]);
  await client.command(['SELECT', 'default']);
  await client.command(['SET', 'here', 'too']);
  await caughtUp(master.server, replica.server);
  assert.deepEqual(await contentOf(replica.server.store), await contentOf(master.server.store));
  assert.equal(await infoField(replica.client, 'role'), 'replica');
  assert.equal(await infoField(replica.client, 'master_link_status'), 'up');
  assert.match((await infoField(client, 'replica0')) ?? '', /state=online/);
  await assert.rejects(replica.client.command(['SET', 'a', 'b']), /^READONLY|READONLY/);
  await assert.rejects(replica.client.command(['NSNEW', 'x']), /READONLY/);
});

test('replica follows through compaction and rotation, and is whole again after it', async () => {
  await using folder = await tempFolder('replication');
  const small = { segmentBytes: 1024 * 1024 };
  await using master = await openPeer(`${folder.path}/a`, small);
  await using early = await openPeer(`${folder.path}/b`, { ...replicaOf(master), ...small });
  const { client } = master;
  const write = (i: number): Promise<unknown> =>
    client.command(['SET', `key${i % 50}`, Buffer.alloc(20_000, i)]);
  for (let i = 0; i < 300; i++) await write(i);
  for (let i = 0; i < 20; i++) await client.command(['DEL', `key${i}`]);
  const compacting = client.command(['COMPACT']);
  for (let i = 300; i < 400; i++) await write(i);
  await compacting;
  await client.command(['NSJUMP']);
  await client.command(['COMPACT']);
  await using late = await openPeer(`${folder.path}/c`, { ...replicaOf(master), ...small });
  await client.command(['SET', 'last', 'one']);
  await caughtUp(master.server, early.server);
  await caughtUp(master.server, late.server);
  const wanted = await contentOf(master.server.store);
  assert.deepEqual(await newest(early.server.store), await newest(master.server.store));
  assert.deepEqual(await contentOf(late.server.store), wanted);
  assert.equal(await infoField(late.client, 'first_copy'), 'whole');
  await early.client.command(['COMPACT']);
  assert.deepEqual(await newest(early.server.store), await newest(master.server.store));
});

test('replica that was away goes on where it was', async () => {
  await using folder = await tempFolder('replication');
  await using master = await openPeer(`${folder.path}/a`);
  {
    await using replica = await openPeer(`${folder.path}/b`, replicaOf(master));
    await master.client.command(['SET', 'a', '1']);
    await caughtUp(master.server, replica.server);
  }
  for (let i = 0; i < 100; i++) await master.client.command(['SET', `k${i}`, 'x']);
  await using replica = await openPeer(`${folder.path}/b`, replicaOf(master));
  await caughtUp(master.server, replica.server);
  assert.deepEqual(await contentOf(replica.server.store), await contentOf(master.server.store));
  assert.deepEqual(replica.events, []);
});

test('replica of a replica gets the whole log, and a replica knows its own downstream', async () => {
  await using folder = await tempFolder('replication');
  await using master = await openPeer(`${folder.path}/a`);
  await using middle = await openPeer(`${folder.path}/b`, replicaOf(master));
  await using end = await openPeer(`${folder.path}/c`, replicaOf(middle));
  await master.client.command(['NSNEW', 'one']);
  for (let i = 0; i < 50; i++) await master.client.command(['SET', `k${i}`, 'x']);
  await caughtUp(master.server, end.server);
  assert.deepEqual(await contentOf(end.server.store), await contentOf(master.server.store));
  assert.match((await infoField(middle.client, 'replica0')) ?? '', /state=online/);
});

test('promoted replica takes writes, the old master does not, and follows after a cut', async () => {
  await using folder = await tempFolder('replication');
  await using other = await openPeer(`${folder.path}/b`, {
    replicaOf: { host: '127.0.0.1', port: 1 },
  });
  let cutOff: Record<string, unknown>;
  {
    await using old = await openPeer(`${folder.path}/a`);
    {
      await using replica = await openPeer(`${folder.path}/c`, replicaOf(old));
      await old.client.command(['SET', 'shared', '1']);
      await caughtUp(old.server, replica.server);
    }
    // Nobody follows now: these are known here alone.
    for (let i = 0; i < 5; i++) await old.client.command(['SET', 'mine', `${i}`]);
    await old.client.command(['NSNEW', 'mine']);
    cutOff = await contentOf(old.server.store);
  }
  assert.ok('mine' in cutOff);
  await using next = await openPeer(`${folder.path}/c`);
  await assert.rejects(next.client.command(['SET', 'x', 'y']), /READONLY/, 'a replica stays one');
  await assert.rejects(next.client.command(['PROMOTE', 'TERM', '0']), /Invalid/);
  await next.client.command(['PROMOTE', 'TERM', '3']);
  await assert.rejects(next.client.command(['PROMOTE', 'TERM', '3']), /term 3 is known/);
  await next.client.command(['SET', 'new', '2']);
  await using old = await openPeer(`${folder.path}/a`, replicaOf(next));
  await caughtUp(next.server, old.server);
  assert.deepEqual(await contentOf(old.server.store), await contentOf(next.server.store));
  const event = old.events.find((one) => one.kind === 'diverged');
  assert.equal(event?.records, 7);
  const saved = await readFile(`${folder.path}/a/${event?.file}`, 'utf8');
  assert.equal(saved.trim().split('\n').length, 8);
  assert.match(saved, new RegExp(Buffer.from('mine').toString('base64')));
  assert.equal(await infoField(old.client, 'term'), '3');
  assert.ok(other.server.store.log.lastSequence === 0);
});

test('master that hears of a later term takes no more writes, also after a restart', async () => {
  await using folder = await tempFolder('replication');
  {
    await using old = await openPeer(`${folder.path}/a`);
    await using replica = await openPeer(`${folder.path}/b`, replicaOf(old));
    await old.client.command(['SET', 'a', '1']);
    await caughtUp(old.server, replica.server);
    await replica.client.command(['PROMOTE', 'TERM', '1']);
    await waitFor(() => old.events.some((one) => one.kind === 'fenced'), {
      timeoutMs: 60_000,
      what: 'the old master to hear of its end',
    });
    await assert.rejects(old.client.command(['SET', 'a', '2']), /READONLY.*term 1/);
    assert.equal(await infoField(old.client, 'fenced_by'), 'term 1');
    await replica.client.command(['SET', 'a', '3']);
  }
  await using old = await openPeer(`${folder.path}/a`);
  await assert.rejects(old.client.command(['SET', 'a', '2']), /READONLY/);
  await old.client.command(['PROMOTE', 'TERM', '2']);
  await old.client.command(['SET', 'a', '4']);
});

test('replica that missed dropped deletions begins anew and puts its files aside', async () => {
  await using folder = await tempFolder('replication');
  await using master = await openPeer(`${folder.path}/a`, { replicaRetentionMs: 0 });
  {
    await using replica = await openPeer(`${folder.path}/b`, replicaOf(master));
    await master.client.command(['SET', 'gone', '1']);
    await master.client.command(['SET', 'stays', '1']);
    await caughtUp(master.server, replica.server);
  }
  const [known] =
    /id=(\w+)/.exec((await infoField(master.client, 'replica0')) ?? '')?.slice(1) ?? [];
  await master.client.command(['REPLICA', 'FORGET', known ?? '']);
  await master.client.command(['DEL', 'gone']);
  await master.client.command(['SET', 'later', '1']);
  await master.client.command(['COMPACT']);
  assert.ok(master.server.store.table.deletionsDroppedThrough > 0);
  await using replica = await openPeer(`${folder.path}/b`, replicaOf(master));
  await caughtUp(master.server, replica.server);
  assert.deepEqual(await contentOf(replica.server.store), await contentOf(master.server.store));
  const event = replica.events.find((one) => one.kind === 'resync');
  const names = await readdir(`${folder.path}/b`);
  assert.ok(names.includes(`${event?.prefix}manifest`));
});

test('write that too few replicas have is answered with an error, and is there', async () => {
  await using folder = await tempFolder('replication');
  {
    const alone = { minReplicas: 1, minReplicasTimeoutMs: 100 };
    await using master = await openPeer(`${folder.path}/a`, alone);
    await assert.rejects(master.client.command(['SET', 'a', '1']), /^GridError: NotReplicated$/);
  }
  const patient = { minReplicas: 1, minReplicasTimeoutMs: 60_000 };
  await using master = await openPeer(`${folder.path}/a`, patient);
  assert.deepEqual(await master.client.command(['GET', 'a']), Buffer.from('1'));
  await using replica = await openPeer(`${folder.path}/b`, replicaOf(master));
  await caughtUp(master.server, replica.server);
  const answers = [];
  for (let i = 0; i < 20; i++) answers.push(master.client.command(['SET', `b${i}`, '1']));
  await Promise.all(answers);
  assert.ok(replica.server.store.log.durableSequence >= 22);
  await master.client.command(['NSNEW', 'fenced']);
  await master.client.command(['NSSET', 'fenced', 'epoch', '5']);
  assert.equal(replica.server.store.namespaces.get('fenced')?.settings.epoch, 5);
});

test('record that rots is found and repaired from a replica, on either side', async () => {
  await using folder = await tempFolder('replication');
  const small = { segmentBytes: 1024 * 1024 };
  await using master = await openPeer(`${folder.path}/a`, small);
  await using replica = await openPeer(`${folder.path}/b`, { ...replicaOf(master), ...small });
  for (let i = 0; i < 200; i++) {
    await master.client.command(['SET', `key${i}`, Buffer.alloc(8_000, i)]);
  }
  await caughtUp(master.server, replica.server);
  const wanted = await contentOf(master.server.store);
  for (const { server, client } of [master, replica]) {
    const { store } = server;
    const [segment] = store.table.segments;
    assert.ok(segment?.isSealed);
    const file = await open(segment.path, 'r+');
    for (const offset of [100_003, 300_007, 500_000]) await file.write('rot', offset);
    await file.close();
    await client.command(['SCRUB', 'START']);
    await store.scrubber.finished();
    assert.equal(store.scrubber.bad(0, 10).length, 3);
    const address = server === master.server ? ['127.0.0.1', replica.port] : [];
    assert.equal(await client.command(['REPAIR', ...address]), 3);
    await client.command(['SCRUB', 'START']);
    await store.scrubber.finished();
    assert.deepEqual(store.scrubber.bad(0, 10), []);
    assert.deepEqual(await contentOf(store), wanted);
  }
  await assert.rejects(master.client.command(['RECORD', '1', '0123456789abcdef']), /another log/);
});

test('key that is erased leaves every replica before the answer', async () => {
  await using folder = await tempFolder('replication');
  await using master = await openPeer(`${folder.path}/a`);
  await using replica = await openPeer(`${folder.path}/b`, replicaOf(master));
  const { client } = master;
  await client.command(['NSSET', 'default', 'history', 'all']);
  for (let i = 0; i < 5; i++) await client.command(['SET', 'person', `a secret of ${i} words`]);
  await client.command(['SET', 'other', 'stays']);
  await caughtUp(master.server, replica.server);
  assert.equal(await client.command(['ERASE', 'person']), 5);
  for (const name of ['a', 'b']) {
    for (const file of await readdir(`${folder.path}/${name}`)) {
      const bytes = await readFile(`${folder.path}/${name}/${file}`);
      assert.ok(!bytes.includes('a secret of'), `${name}/${file}`);
    }
  }
  assert.deepEqual(await contentOf(replica.server.store), await contentOf(master.server.store));
});

test('replica that gets half of a compacted log answers nothing and is not promoted', async () => {
  await using folder = await tempFolder('replication');
  const store = await Store.open({ folder: folder.path, isReplica: true });
  store.table.compactedThrough = 1000;
  store.table.save();
  await store.close();
  await writeFile(
    `${folder.path}/replication`,
    `${JSON.stringify({
      schema: 'zdb.replication.1',
      role: 'replica',
      knownTerm: 0,
      sourceTerms: [],
      fencedBy: 0,
      setAsideAs: '',
    })}\n`,
  );
  await using replica = await openPeer(folder.path);
  await assert.rejects(replica.client.command(['GET', 'a']), /LOADING/);
  await assert.rejects(replica.client.command(['PROMOTE', 'TERM', '1']), /not whole/);
  assert.equal(await infoField(replica.client, 'first_copy'), 'under way');
});

test('replica of another log is refused and keeps what it has', async () => {
  await using folder = await tempFolder('replication');
  await using master = await openPeer(`${folder.path}/a`);
  {
    await using other = await openPeer(`${folder.path}/b`);
    await other.client.command(['SET', 'mine', '1']);
  }
  await using replica = await openPeer(`${folder.path}/b`, replicaOf(master));
  await waitFor(
    async () => (await infoField(replica.client, 'master_link_problem'))?.includes('another log'),
    {
      timeoutMs: 60_000,
      what: 'the refusal to show',
    },
  );
  assert.deepEqual(await replica.client.command(['GET', 'mine']), Buffer.from('1'));
});

for (const durability of ['everysec', 'os'] as const) {
  test(`replica gets what a master with durability ${durability} has written`, async () => {
    await using folder = await tempFolder('replication');
    await using master = await openPeer(`${folder.path}/a`, { durability });
    await using replica = await openPeer(`${folder.path}/b`, { ...replicaOf(master), durability });
    const { store } = master.server;
    for (let i = 0; i < 50; i++) await master.client.command(['SET', `key${i}`, 'x']);
    await waitFor(() => replica.server.store.log.lastSequence === store.log.lastSequence, {
      timeoutMs: 60_000,
      what: 'the replica to have all',
    });
    assert.deepEqual(await contentOf(replica.server.store), await contentOf(store));
  });
}

test('files that were being put aside when the process died are put aside at the next start', async () => {
  await using folder = await tempFolder('replication');
  await using master = await openPeer(`${folder.path}/a`);
  await master.client.command(['SET', 'a', '1']);
  {
    await using replica = await openPeer(`${folder.path}/b`, replicaOf(master));
    await caughtUp(master.server, replica.server);
  }
  const state = StateFile.load(realFiles, `${folder.path}/b`);
  state.change({ setAsideAs: 'diverged-0-1-' });
  const [first = ''] = (await readdir(`${folder.path}/b`)).filter((name) => name.endsWith('.log'));
  await rename(`${folder.path}/b/${first}`, `${folder.path}/b/diverged-0-1-${first}`);
  await using replica = await openPeer(`${folder.path}/b`, replicaOf(master));
  await caughtUp(master.server, replica.server);
  assert.deepEqual(await contentOf(replica.server.store), await contentOf(master.server.store));
  const names = await readdir(`${folder.path}/b`);
  assert.ok(names.includes(`diverged-0-1-${first}`) && names.includes('diverged-0-1-manifest'));
});

test('promotion while the master is there hands over what it has, and loses nothing', async () => {
  await using folder = await tempFolder('replication');
  await using master = await openPeer(`${folder.path}/a`);
  await using replica = await openPeer(`${folder.path}/b`, replicaOf(master));
  await caughtUp(master.server, replica.server);
  const confirmed: string[] = [];
  const writes = Array.from({ length: 500 }, async (_, i) => {
    try {
      await master.client.command(['SET', `key${i}`, Buffer.alloc(2_000)]);
      confirmed.push(`key${i}`);
    } catch {
      // It had heard of its end.
    }
  });
  await replica.client.command(['PROMOTE', 'TERM', '1']);
  await Promise.all(writes);
  for (const key of confirmed) assert.equal(await replica.client.command(['EXISTS', key]), 1, key);
  await assert.rejects(master.client.command(['SET', 'late', '1']), /READONLY/);
});
