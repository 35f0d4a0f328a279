import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SealingKey, SigningKey } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import { PrivateNamespace } from '../src/client.ts';
import type { BcdbClient } from '../src/client.ts';
import { Proposals } from '../src/doors/proposals.ts';
import { makeReaders } from '../src/private/readers.ts';
import { openPayload, sealPayload } from '../src/private/sealed-payload.ts';
import { grant, serve } from './http-fixture.ts';
import type { Served } from './http-fixture.ts';

const note = 'net.example.note.1';
const ns = 'secret';

interface Person {
  readonly client: BcdbClient;
  readonly seal: SealingKey;
  readonly space: PrivateNamespace;
}

async function person(served: Served, who: { readonly key?: SigningKey }): Promise<Person> {
  const client = await served.client(who.key === undefined ? undefined : { key: who.key });
  const seal = SealingKey.generate();
  return { client, seal, space: new PrivateNamespace({ client, ns, key: seal }) };
}

/** The owner's private namespace, and somebody with all rights in it who is no reader yet. */
async function serveSecret(
  t: Parameters<typeof serve>[0],
): Promise<{ readonly served: Served; readonly owner: Person; readonly bob: Person }> {
  const served = await serve(t);
  const owner = await person(served, {});
  const { client, seal } = owner;
  await PrivateNamespace.create({ client, ns, key: seal, admin: served.bcdb.owner });
  const key = SigningKey.generate();
  const grants = [
    { to: served.bcdb.owner, rights: ['admin'] },
    { to: key.publicKey.text, rights: ['read', 'write'] },
  ];
  const namespace = { ns, url: 'bcdb.namespace.1', obj: 'namespace' };
  await served.bcdb.write({ ...namespace, op: 'put', value: { grants, isPrivate: true } });
  return { served, owner, bob: await person(served, { key }) };
}

test('a reader seals and opens by himself, and one removed opens nothing later', async (t) => {
  const { served, owner, bob } = await serveSecret(t);
  const bobs = bob.seal.publicKey.text;
  const early = await owner.space.put({ url: note, obj: 'early', value: { text: 'before Bob' } });
  const { epoch } = await owner.space.changeReaders({ add: [bobs] });
  assert.equal(epoch, 2);
  await bob.client.checkpoint();
  const shared = await bob.space.put({ url: note, obj: 'shared', value: { text: 'from Bob' } });
  const options = { minSeq: shared.seq };
  assert.deepEqual((await owner.space.get(note, 'shared', options)).value, { text: 'from Bob' });
  await assert.rejects(bob.space.get(note, 'early', options), { code: 'BCDB_NOT_READER' });
  // What lies on the server says nothing.
  for await (const entries of served.bcdb.read(0, served.bcdb.head.size)) {
    for (const { body } of entries) {
      assert.ok(!Buffer.from(body ?? []).includes(' Bob'));
    }
  }
  await owner.space.changeReaders({ remove: [bobs] });
  const late = await owner.space.put({ url: note, obj: 'shared', value: { text: 'without Bob' } });
  const after = { minSeq: late.seq };
  await assert.rejects(bob.space.get(note, 'shared', after), { code: 'BCDB_NOT_READER' });
  const [second, first] = await bob.space.history(note, 'shared', after);
  assert.equal(second?.value, undefined);
  assert.ok(second?.box !== undefined);
  assert.deepEqual(first?.value, { text: 'from Bob' });
  const late2 = bob.space.put({ url: note, obj: 'x', value: {} });
  await assert.rejects(late2, { code: 'BCDB_NOT_READER' });
  // The owner reads through all three keys, with a client that knows none of them yet.
  const fresh = new PrivateNamespace({ client: owner.client, ns, key: owner.seal });
  const past = await fresh.get(note, 'early', { asOf: early.seq });
  assert.deepEqual(past.value, { text: 'before Bob' });
  assert.deepEqual((await fresh.readers()).readers, [owner.seal.publicKey.text]);
});

test('a reader who was removed and is added again reads all but what came between', async (t) => {
  const { owner, bob } = await serveSecret(t);
  const bobs = bob.seal.publicKey.text;
  await owner.space.changeReaders({ add: [bobs] });
  await owner.space.put({ url: note, obj: 'first', value: 1 });
  await owner.space.changeReaders({ remove: [bobs] });
  await owner.space.put({ url: note, obj: 'between', value: 2 });
  const { epoch } = await owner.space.changeReaders({ add: [bobs] });
  assert.equal(epoch, 4);
  const { seq } = await owner.space.put({ url: note, obj: 'last', value: 3 });
  await bob.client.checkpoint();
  const options = { minSeq: seq };
  // A client that saw nothing before has to find the old key as well.
  const fresh = new PrivateNamespace({ client: bob.client, ns, key: bob.seal });
  for (const space of [bob.space, fresh]) {
    assert.equal((await space.get(note, 'first', options)).value, 1);
    assert.equal((await space.get(note, 'last', options)).value, 3);
    await assert.rejects(space.get(note, 'between', options), { code: 'BCDB_NOT_READER' });
  }
});

test('a writer whose key was replaced meanwhile seals again with the newest', async (t) => {
  const { owner, bob } = await serveSecret(t);
  await owner.space.changeReaders({ add: [bob.seal.publicKey.text] });
  await bob.client.checkpoint();
  await bob.space.put({ url: note, obj: 'a', value: 1 });
  const { epoch } = await owner.space.changeReaders({});
  const { seq } = await bob.space.put({ url: note, obj: 'b', value: 2 });
  const { box = '' } = await bob.client.get(ns, note, 'b', { minSeq: seq });
  assert.equal(Buffer.from(box, 'base64url').readUInt32BE(1), epoch);
});

test('a server cannot have anything sealed with a key that it made up', async (t) => {
  const { served, owner } = await serveSecret(t);
  await owner.space.put({ url: note, obj: 'a', value: { text: 'mine' } });
  const space = new PrivateNamespace({ client: owner.client, ns, key: owner.seal });
  const place = { log: served.trust.log, ns };
  const { record, key } = await makeReaders(place, 1, [owner.seal.publicKey]);
  // Nothing proves a history, and that of the readers says what key opens which epoch.
  const { client } = owner;
  const honest = client.history.bind(client);
  t.mock.method(client, 'history', async (...ask: Parameters<typeof honest>) => {
    const versions = await honest(...ask);
    return ask[1] === 'bcdb.readers.1'
      ? versions.map((one) => ({ ...one, value: record as unknown as JsonValue }))
      : versions;
  });
  await assert.rejects(space.get(note, 'a'), { code: 'BCDB_SEALED_INVALID' });
  const { seq } = await space.put({ url: note, obj: 'b', value: { text: 'mine, too' } });
  const { box = '' } = await client.get(ns, note, 'b', { minSeq: seq });
  const sealed = Buffer.from(box, 'base64url');
  assert.throws(() => openPayload(key, { ...place, url: note, obj: 'b' }, sealed), {
    code: 'BCDB_SEALED_INVALID',
  });
  assert.deepEqual((await owner.space.get(note, 'b')).value, { text: 'mine, too' });

  // What was opened with the wrong key opens once the right one is shown.
  t.mock.restoreAll();
  assert.deepEqual((await space.get(note, 'a')).value, { text: 'mine' });
});

test('a proposal of readers is never taken for the readers', async (t) => {
  const { served, owner } = await serveSecret(t);
  const { bcdb } = served;
  const { client } = owner;
  const lines = [{ role: 'it', signers: [bcdb.owner], min: 1 }];
  const policy = { ns, url: 'bcdb.policy.1', obj: 'type/bcdb.readers.1', value: { admin: lines } };
  const { seq: policySeq } = await client.write({ ...policy, op: 'put' });
  const { record } = await makeReaders({ log: served.trust.log, ns }, 2, [
    SealingKey.generate().publicKey,
  ]);
  const readers = { ns, url: 'bcdb.readers.1', obj: 'readers' };
  const prev = bcdb.versionOf(ns, readers.url, readers.obj) ?? '';
  const value = { op: 'put', ...readers, prev, value: record, policySeq, exp: bcdb.at + 60_000 };
  const { ns: _ns, ...proposal } = value;
  const proposed = { ns, op: 'put', url: 'bcdb.proposal.1', obj: 'p' } as const;
  const { seq } = await client.write({ ...proposed, value: proposal });
  lieAbout(t, '/proof/bcdb.readers.1/', (path) => path.replace(/namespaces.*/, `proof/${seq}`));
  await assert.rejects(owner.space.put({ url: note, obj: 'a', value: 1 }), {
    code: 'BCDB_PROOF_INVALID',
  });
  const shown = await client.prove(ns, readers.url, readers.obj);
  assert.equal(shown.value, undefined);
  assert.deepEqual(shown.proposed, record);
});

test('a server that lies about privacy has to prove it, and is not believed', async (t) => {
  const { served, owner } = await serveSecret(t);
  const { bcdb } = served;
  await bcdb.createNamespace('open');
  await owner.client.checkpoint();
  assert.equal(await owner.client.isPrivate('open'), false);
  lieAbout(t, `/${ns}/`, (path) => path.replace(`/${ns}/`, '/open/'));
  await assert.rejects(owner.client.isPrivate(ns), { code: 'BCDB_PROOF_INVALID' });
  t.mock.restoreAll();

  // Nor is a proof without the payload, or one of a proposal to have it in the clear.
  const name = { url: 'bcdb.namespace.1', obj: 'namespace' };
  const made = await owner.client.prove(ns, name.url, name.obj);
  const honest = globalThis.fetch;
  t.mock.method(globalThis, 'fetch', async (input: URL, init?: RequestInit) => {
    const proof = (await (await honest(input, init)).json()) as Record<string, unknown>;
    return Response.json({ ...proof, body: undefined });
  });
  await assert.rejects(owner.client.isPrivate(ns), { code: 'BCDB_PROOF_INVALID' });
  t.mock.restoreAll();
  const lines = [{ role: 'it', signers: [bcdb.owner], min: 1 }];
  const policy = { ns, url: 'bcdb.policy.1', obj: `type/${name.url}`, value: { admin: lines } };
  await bcdb.write({ ...policy, op: 'put' });
  const grants = [{ to: bcdb.owner, rights: ['admin'] }];
  const proposals = new Proposals(bcdb);
  const { seq } = await proposals.propose({ ns, op: 'put', ...name, value: { grants } });
  lieAbout(t, `/proof/${name.url}/`, (path) => path.replace(/namespaces.*/, `proof/${seq}`));
  await assert.rejects(owner.client.isPrivate(ns), { code: 'BCDB_PROOF_INVALID' });
  t.mock.restoreAll();

  // Where the newest record is a proposal that took effect, one before it says the same.
  const value = { grants, isPrivate: true };
  const { id } = await proposals.propose({ ns, op: 'put', ...name, value });
  await proposals.vote({ ns, id, verdict: 'approve' });
  assert.notEqual(bcdb.versionOf(ns, name.url, name.obj), made.version);
  assert.equal(await owner.client.isPrivate(ns), true);
  // It never changes: nobody is asked again.
  t.mock.method(globalThis, 'fetch', () => assert.fail('a request'));
  assert.equal(await owner.client.isPrivate(ns), true);
});

test('whoever has any right in a namespace learns whether it is private', async (t) => {
  const { served } = await serveSecret(t);
  const key = SigningKey.generate();
  const client = await served.client({ key });
  await assert.rejects(client.isPrivate(ns), { code: 'BCDB_DENIED' });
  const acl = { ns, url: 'bcdb.acl.1', obj: `object/${note}/x` };
  const grants = [{ to: key.publicKey.text, rights: ['write'] }];
  await served.bcdb.write({ ...acl, op: 'put', value: { grants } });
  assert.equal(await client.isPrivate(ns), true);
  const readers = client.prove(ns, 'bcdb.readers.1', 'readers');
  await assert.rejects(readers, { code: 'BCDB_DENIED' });
});

/** Has the server answer to a path what it has to say of another one. */
function lieAbout(t: TestContext, part: string, other: (path: string) => string): void {
  const honest = globalThis.fetch;
  t.mock.method(globalThis, 'fetch', (input: URL, init?: RequestInit) => {
    const { origin, pathname, search } = input;
    const path = pathname.includes(part) ? other(pathname) : `${pathname}${search}`;
    return honest(new URL(path, origin), init);
  });
}

test('objects of a private namespace are listed and chosen on the side of the reader', async (t) => {
  const { owner } = await serveSecret(t);
  let seq = 0;
  for (const n of [1, 2, 3, 4]) {
    ({ seq } = await owner.space.put({ url: note, obj: `n${n}`, value: { n } }));
  }
  const page = await owner.space.list({ url: note, limit: 3, minSeq: seq });
  assert.deepEqual(
    page.objects.map(({ value }) => value),
    [{ n: 1 }, { n: 2 }, { n: 3 }],
  );
  const even = (value: unknown): boolean => (value as { n: number }).n % 2 === 0;
  const found = await Array.fromAsync(owner.space.find(note, even, { minSeq: seq }));
  assert.deepEqual(
    found.map(({ obj }) => obj),
    ['n2', 'n4'],
  );
});

test('a private namespace takes nothing in the clear and nothing under a former key', async (t) => {
  const { served, owner } = await serveSecret(t);
  const { client } = owner;
  const put = { ns, op: 'put', url: note, obj: 'x' } as const;
  await assert.rejects(client.write({ ...put, value: { a: 1 } }), { code: 'BCDB_NOT_SEALED' });
  assert.equal(await client.isPrivate(ns), true);
  const key = { epoch: 2, key: new Uint8Array(32) };
  const place = { log: served.trust.log, ns, url: note, obj: 'x' };
  const early = sealPayload(key, place, new Uint8Array(2));
  await assert.rejects(client.write({ ...put, value: early }), { code: 'BCDB_READERS_CHANGED' });
  const define = served.bcdb.defineSchema(ns, note, { type: 'object' });
  await assert.rejects(define, { code: 'BCDB_NAMESPACE_PRIVATE' });
  const where = { field: 'a', op: 'eq', value: 1 } as const;
  for (const ask of [
    client.find(ns, { url: note, where }),
    client.find(ns, { url: note, orderBy: { field: 'a' } }),
    client.search(ns, { text: 'oak' }),
    client.sql(ns, 'SELECT 1'),
  ]) {
    await assert.rejects(ask, { code: 'BCDB_NAMESPACE_PRIVATE' });
  }
});

test('a change of readers that names nobody, or somebody unknown, is refused', async (t) => {
  const { owner, bob } = await serveSecret(t);
  const own = owner.seal.publicKey.text;
  const bobs = bob.seal.publicKey.text;
  for (const remove of [[own], [bobs]]) {
    const change = owner.space.changeReaders({ remove });
    await assert.rejects(change, { code: 'BCDB_REQUEST_INVALID' });
  }
  const byBob = bob.space.changeReaders({ add: [bobs] });
  await assert.rejects(byBob, { code: 'BCDB_DENIED' });
  assert.equal((await owner.space.readers()).epoch, 1);
});

test('a namespace that is not private has no readers, and is written in the clear', async (t) => {
  const served = await serve(t);
  await served.bcdb.createNamespace('team');
  await grant(served, 'anyone', ['write']);
  const stranger = await served.client({ key: SigningKey.generate() });
  assert.equal(await stranger.isPrivate('team'), false);
  await assert.rejects(stranger.isPrivate('nowhere'), { code: 'BCDB_DENIED' });
  const client = await served.client();
  const space = new PrivateNamespace({ client, ns: 'team', key: SealingKey.generate() });
  await assert.rejects(space.readers(), { code: 'BCDB_READERS_MISSING' });
});
