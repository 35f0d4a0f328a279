import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cp } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { isGridError, Mutex } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import type { OwnerStatement } from '../src/database.ts';
import { verifyCheckpoint } from '../src/browser.ts';
import { BcdbClient } from '../src/client.ts';
import type { ClientStatement } from '../src/client.ts';
import { contact, grant, serve, serveTeam } from './http-fixture.ts';
import type { Served } from './http-fixture.ts';

function put(obj: string, name = obj): ClientStatement {
  return { ns: 'team', op: 'put', url: contact, obj, value: { name } };
}

test('two clients append 64 records each at one time, in order and without gaps', async (t) => {
  const served = await serveTeam(t);
  await grant(served, 'anyone', ['read', 'write']);
  const keys = [SigningKey.generate(), SigningKey.generate()];
  const clients = await Promise.all(keys.map((key) => served.client({ key })));
  const sizeBefore = served.bcdb.head.size;
  const receipts = await Promise.all(
    clients.flatMap((client, who) =>
      Array.from({ length: 64 }, (_, n) => client.write(put(`c${who}/${n}`))),
    ),
  );
  const sequences = new Set(receipts.map(({ seq }) => seq));
  assert.equal(sequences.size, 128);
  for (const { publicKey } of keys) assert.equal(served.bcdb.lastN(publicKey.text), 64);
  const last = Math.max(...sequences);
  assert.ok(last < sizeBefore + 128 + 20, 'nothing was appended twice');
  const query = { url: contact, limit: 1000, minSeq: last };
  const [first] = clients;
  assert.equal((await first?.find('team', query))?.objects.length, 128);
});

test('two processes that take turns count with one key and never contradict each other', async (t) => {
  const served = await serveTeam(t);
  const key = SigningKey.generate();
  await grant(served, key.publicKey.text, ['read', 'write']);
  const mutex = new Mutex();
  let turns = 0;
  const turn = async (): Promise<AsyncDisposable> => {
    const [begun, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    void mutex.run(() => {
      begun.resolve();
      return over.promise;
    });
    await begun.promise;
    turns++;
    return { [Symbol.asyncDispose]: async () => over.resolve() };
  };
  const clients = await Promise.all([1, 2].map(() => served.client({ key, turn })));
  for (let round = 0; round < 8; round++) {
    await Promise.all(
      clients.flatMap((client, who) =>
        Array.from({ length: 4 }, (_, n) => client.write(put(`c${who}/${round}/${n}`))),
      ),
    );
  }
  assert.equal(served.bcdb.lastN(key.publicKey.text), 64);
  assert.ok(turns >= 16, `${turns} turns`);
});

test('a client writes one object many times at once, each version after the other', async (t) => {
  const served = await serveTeam(t);
  const key = SigningKey.generate();
  await grant(served, key.publicKey.text, ['read', 'write', 'delete']);
  const client = await served.client({ key });
  const names = Array.from({ length: 20 }, (_, n) => `name ${n}`);
  const receipts = await Promise.all(names.map((name) => client.write(put('one', name))));
  const last = receipts.at(-1)?.seq ?? 0;
  const history = await client.history('team', contact, 'one', { minSeq: last });
  const values = history.map(({ value }) => value);
  assert.deepEqual(
    values,
    names.toReversed().map((name) => ({ name })),
  );
  // Somebody else changed it meanwhile: the client follows what is there.
  await served.bcdb.write({ ...owned('other'), obj: 'one' });
  const next = await client.write(put('one', 'mine'));
  assert.deepEqual((await client.get('team', contact, 'one', { minSeq: next.seq })).value, {
    name: 'mine',
  });
  const stale = client.write({ ...put('one', 'late'), prev: receipts[0]?.version ?? '' });
  await assert.rejects(stale, { code: 'BCDB_CONFLICT' });
  const refused = await Promise.allSettled([
    client.write(put('a')),
    client.write({ ...put('b'), value: { name: 1 } }),
    client.write(put('c')),
  ]);
  assert.deepEqual(
    refused.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  const proven = await client.prove('team', contact, 'c');
  assert.deepEqual([proven.value, proven.envelope.author], [{ name: 'c' }, key.publicKey.text]);
});

test('a client that loses its connection sends the same bytes again', async (t) => {
  const served = await serveTeam(t);
  const key = SigningKey.generate();
  await grant(served, key.publicKey.text, ['read', 'write']);
  const bodies: string[] = [];
  const url = await startProxy(t, served, (path, body) => {
    if (path === '/v1/records') bodies.push(body);
    return path === '/v1/records' && bodies.length === 2 ? 'lose' : 'answer';
  });
  const client = await BcdbClient.connect({ url, trust: served.trust, key });
  const receipt = await client.write(put('once'));
  // The first was refused, and told the client the schema.
  assert.equal(bodies.length, 3);
  assert.notEqual(bodies[0], bodies[1]);
  assert.equal(bodies[1], bodies[2]);
  assert.equal(served.bcdb.lastN(key.publicKey.text), 1);
  const versions = await client.history('team', contact, 'once', { minSeq: receipt.seq });
  assert.equal(versions.length, 1);
});

test('a client whose server is gone says so, and settles what was open before it writes on', async (t) => {
  const served = await serveTeam(t);
  const key = SigningKey.generate();
  await grant(served, key.publicKey.text, ['read', 'write']);
  let isDown = false;
  const url = await startProxy(t, served, (path) =>
    path === '/v1/records' && isDown ? 'lose' : 'answer',
  );
  const client = await BcdbClient.connect({ url, trust: served.trust, key });
  await client.write(put('first'));
  isDown = true;
  await assert.rejects(client.write(put('open')), { code: 'BCDB_UNREACHABLE' });
  isDown = false;
  await client.write(put('third'));
  // The lost answers were to requests that had arrived: nothing was signed twice with one counter.
  assert.equal(served.bcdb.lastN(key.publicKey.text), 3);
});

test('a client stops with its signal', async (t) => {
  const served = await serveTeam(t);
  const client = await served.client();
  const signal = AbortSignal.abort(new Error('enough'));
  await assert.rejects(client.checkpoint({ signal }), { code: 'BASE_ABORTED' });
  await assert.rejects(client.find('team', { url: contact }, { signal }), { code: 'BASE_ABORTED' });
  const lost = BcdbClient.connect({ url: 'http://127.0.0.1:9', trust: served.trust });
  await assert.rejects(lost, { code: 'BCDB_UNREACHABLE' });
});

test('a client refuses the checkpoint of another log or another sequencer', async (t) => {
  const served = await serve(t);
  const { url, trust } = served;
  const otherLog = BcdbClient.connect({ url, trust: { ...trust, log: 'A'.repeat(43) } });
  await assert.rejects(otherLog, { code: 'BCDB_OTHER_LOG' });
  const sequencerKey = SigningKey.generate().publicKey.text;
  const otherKey = BcdbClient.connect({ url, trust: { ...trust, sequencerKey } });
  await assert.rejects(otherKey, { code: 'BCDB_CHECKPOINT_UNSIGNED' });
});

test('a client finds out a server that shows less than before', async (t) => {
  const { served, copy } = await serveAndCopy(t);
  const client = await served.client();
  await client.write(put('late'));
  await client.checkpoint();
  const { lastCheckpoint = '' } = client;
  const rolledBack = connectTo(copy, lastCheckpoint);
  await assert.rejects(rolledBack, (error) => {
    assert.ok(isGridError(error, 'BCDB_LOG_ROLLED_BACK'));
    const { seen, shown } = error.details;
    assert.equal(seen, lastCheckpoint);
    const head = verifyCheckpoint(String(shown), copy.trust);
    assert.ok(head.size < verifyCheckpoint(lastCheckpoint, copy.trust).size);
    return true;
  });
});

test('a client finds out a server that shows a forked log, longer or as long', async (t) => {
  const { served, copy } = await serveAndCopy(t);
  const client = await served.client();
  await client.write(put('here'));
  await client.checkpoint();
  const { lastCheckpoint = '' } = client;
  const size = served.bcdb.head.size;
  for (let n = 0; copy.bcdb.head.size < size; n++) await copy.bcdb.write(owned(`there ${n}`));
  await assert.rejects(connectTo(copy, lastCheckpoint), { code: 'BCDB_LOG_FORKED' });
  for (let n = 0; copy.bcdb.head.size < size + 3; n++) await copy.bcdb.write(owned(`more ${n}`));
  await assert.rejects(connectTo(copy, lastCheckpoint), { code: 'BCDB_LOG_FORKED' });
  // A proof under a head of the fork is no better.
  const url = await startProxy(t, served, (path) =>
    path.includes('/proof/') ? { from: copy.url } : 'answer',
  );
  const cheated = await BcdbClient.connect({ url, trust: served.trust, token: 'B'.repeat(43) });
  await assert.rejects(cheated.prove('team', contact, 'before'), { code: 'BCDB_LOG_FORKED' });
  // The same log, longer, is what it should be.
  await served.bcdb.write(owned('on'));
  const later = await connectTo(served, lastCheckpoint);
  assert.ok((await later.checkpoint()).size > size);
});

function owned(name: string): OwnerStatement {
  return { ns: 'team', op: 'put', url: contact, obj: 'x', value: { name } };
}

function connectTo({ url, trust }: Served, lastCheckpoint: string): Promise<BcdbClient> {
  return BcdbClient.connect({ url, trust, lastCheckpoint });
}

/** A server, and another one over a copy of its folder. */
async function serveAndCopy(
  t: TestContext,
): Promise<{ readonly served: Served; readonly copy: Served }> {
  const first = await serveTeam(t);
  await first.bcdb.write({ ...owned('x'), obj: 'before' });
  const { owner, dataDir } = first;
  await first.close();
  const folder = await tempFolder('bcdb-copy');
  t.after(() => folder[Symbol.asyncDispose]());
  await cp(dataDir, folder.path, { recursive: true });
  const copy = await serve(t, { dataDir: folder.path, owner });
  const served = await serve(t, { dataDir, owner });
  return { served, copy };
}

/** What becomes of a request: its answer comes, is lost on the way, or is of another server. */
type Fate = 'answer' | 'lose' | { readonly from: string };

/** Passes requests on to a server. */
async function startProxy(
  t: TestContext,
  { url }: Served,
  fateOf: (path: string, body: string) => Fate,
): Promise<string> {
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = Buffer.concat(await Array.fromAsync<Buffer>(request)).toString();
    const path = request.url ?? '';
    const fate = fateOf(path, body);
    const { authorization, 'content-type': type } = request.headers;
    const answer = await fetch(`${typeof fate === 'object' ? fate.from : url}${path}`, {
      method: request.method ?? 'GET',
      headers: {
        ...(authorization === undefined ? {} : { authorization }),
        ...(type === undefined ? {} : { 'content-type': type }),
      },
      ...(body === '' ? {} : { body }),
    });
    const text = await answer.text();
    if (fate === 'lose') response.destroy();
    else response.writeHead(answer.status).end(text);
  };
  const proxy = createServer((request, response) => void pass(request, response));
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}
