import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { RespClient } from '@commongrid/resp';
import type { BcdbReplica } from '../src/bcdb-replica.ts';
import { BcdbServer } from '../src/bcdb-server.ts';
import { BcdbClient, HttpHeadSource, HttpLogSource } from '../src/client.ts';
import { BcdbFolder } from '../src/config.ts';
import type { LogSource } from '../src/follow/log-source.ts';
import { loadIdentity } from '../src/genesis-file.ts';
import { HeadFollower } from '../src/index.ts';
import { contact, grant, ownerToken, serveTeam } from './http-fixture.ts';
import type { Served } from './http-fixture.ts';
import { LocalSource } from '../src/testing/local-source.ts';
import { ForgedLog } from './support/forged-log.ts';

const timeoutMs = 60_000;
const copyToken = 'C'.repeat(43);
const loopback = { host: '127.0.0.1', port: 0 };

type Copy = BcdbServer<BcdbReplica>;

interface Standing {
  readonly sequencer: string;
  readonly size: number;
  readonly halted: { readonly code: string } | null;
  readonly withheld: readonly number[];
}

/** A folder for a copy, gone after what is opened in it. */
async function copyFolder(t: TestContext): Promise<string> {
  const folder = await tempFolder('bcdb-copy');
  t.after(() => folder[Symbol.asyncDispose]());
  return join(folder.path, 'copy');
}

async function copyOf(
  t: TestContext,
  { bcdb, url }: Served,
  dataDir: string,
  source: LogSource = new HttpLogSource({ url, log: bcdb.log, token: ownerToken }),
): Promise<Copy> {
  const { log, genesis } = bcdb;
  const server = await BcdbServer.openReplica({
    ...{ dataDir, log, genesis, source, sequencer: url, ownerToken: copyToken },
    ...{ http: loopback, redis: loopback, metrics: loopback },
  });
  t.after(() => server.close());
  return server;
}

function urlOf({ httpAddress: { port } }: Pick<Copy, 'httpAddress'>): string {
  return `http://127.0.0.1:${port}`;
}

async function standingOf(copy: Copy): Promise<Standing> {
  const answer = await fetch(`${urlOf(copy)}/v1/replica`);
  return (await answer.json()) as Standing;
}

async function reaches(copy: Copy, { bcdb }: Served): Promise<void> {
  const { size } = bcdb.head;
  const isThere = (): boolean => (copy.bcdb.copy.sourceHead?.size ?? 0) >= size && has(copy, size);
  await waitFor(isThere, { what: `a copy of ${size} records`, timeoutMs });
}

/** A tick may be on its way. */
async function isAlike(copy: Copy, { bcdb }: Served): Promise<void> {
  await waitFor(() => copy.bcdb.digest === bcdb.digest, { what: 'the same state', timeoutMs });
}

function has({ bcdb }: Copy, size: number): boolean {
  return bcdb.head.size >= size && bcdb.signedHead().head.size >= size;
}

async function put({ bcdb }: Served, obj: string, name: string): Promise<void> {
  await bcdb.write({ ns: 'team', op: 'put', url: contact, obj, value: { name, city: 'Cairo' } });
}

test('a copy answers what its sequencer answers, provably, and writes nothing', async (t) => {
  const served = await serveTeam(t);
  await put(served, 'ada', 'Ada Lovelace');
  const copy = await copyOf(t, served, await copyFolder(t));
  await reaches(copy, served);
  await put(served, 'bob', 'Bob');
  await reaches(copy, served);
  const { trust } = served;
  const client = await BcdbClient.connect({ url: urlOf(copy), trust, token: copyToken });
  const minSeq = copy.bcdb.head.size - 1;
  const found = await client.find('team', { url: contact, minSeq });
  assert.deepEqual(found.objects.map(({ obj }) => obj).toSorted(), ['ada', 'bob']);
  const searched = await client.search('team', { text: 'lovelace' });
  assert.equal(searched.objects[0]?.obj, 'ada');
  const proven = await client.prove('team', contact, 'bob');
  assert.deepEqual(proven.value, { name: 'Bob', city: 'Cairo' });
  const write = {
    ns: 'team',
    op: 'put',
    url: contact,
    obj: 'eve',
    value: { name: 'Eve' },
  } as const;
  await assert.rejects(client.write(write), (error: unknown) => {
    const { code, details } = error as { code: string; details: { sequencer: string } };
    assert.deepEqual([code, details.sequencer], ['BCDB_READ_ONLY', served.url]);
    return true;
  });
  const key = SigningKey.generate();
  await grant(served, key.publicKey.text, ['read', 'write']);
  await reaches(copy, served);
  const holder = await BcdbClient.connect({ url: urlOf(copy), trust, key });
  await assert.rejects(holder.write(write), { code: 'BCDB_READ_ONLY' });
  assert.equal((await holder.get('team', contact, 'ada')).obj, 'ada');
  await assert.rejects(holder.read('/v1/presence'), { code: 'BCDB_DENIED' });
  const { halted, sequencer, size } = await standingOf(copy);
  assert.deepEqual([halted, sequencer, size > minSeq], [null, served.url, true]);
  await isAlike(copy, served);
  const metrics = await fetch(`http://127.0.0.1:${copy.metricsAddress?.port}/metrics`);
  assert.match(await metrics.text(), /bcdb_replica_halted 0/);
});

test('a copy speaks the Redis protocol, for reading', async (t) => {
  const served = await serveTeam(t);
  await put(served, 'ada', 'Ada');
  const copy = await copyOf(t, served, await copyFolder(t));
  await reaches(copy, served);
  const { port = 0 } = copy.redisAddress ?? {};
  await using client = await RespClient.connect({ host: '127.0.0.1', port, password: copyToken });
  const key = `team:data:${contact}`;
  const text = (await client.command(['HGET', key, 'ada'])) as Buffer;
  assert.deepEqual(JSON.parse(text.toString()), { city: 'Cairo', name: 'Ada' });
  for (const command of [
    ['HSET', key, 'eve', '{"name":"Eve"}'],
    ['HDEL', key, 'ada'],
  ]) {
    await assert.rejects(client.command(command), /READ_ONLY/);
  }
});

test('a copy goes on answering, with its checkpoint, when its source is gone', async (t) => {
  const served = await serveTeam(t);
  await put(served, 'ada', 'Ada');
  const dataDir = await copyFolder(t);
  const first = await copyOf(t, served, dataDir);
  await reaches(first, served);
  const note = first.bcdb.checkpoint();
  await first.close();
  await served.close();
  const second = await copyOf(t, served, dataDir);
  assert.equal(second.bcdb.checkpoint(), note);
  const { trust } = served;
  const client = await BcdbClient.connect({ url: urlOf(second), trust, token: copyToken });
  const { value } = await client.prove('team', contact, 'ada');
  assert.deepEqual(value, { name: 'Ada', city: 'Cairo' });
  assert.equal((await standingOf(second)).halted, null);
});

test('followers may follow a copy', async (t) => {
  const served = await serveTeam(t);
  const copy = await copyOf(t, served, await copyFolder(t));
  await reaches(copy, served);
  const { trust, bcdb } = served;
  const url = urlOf(copy);
  const folder = await tempFolder('bcdb-heads');
  t.after(() => folder[Symbol.asyncDispose]());
  const heads = new HttpHeadSource({ url, log: trust.log });
  await using light = await HeadFollower.open({ dataDir: folder.path, trust, source: heads });
  await waitFor(
    async () => {
      await light.sync();
      return light.head?.size === bcdb.head.size;
    },
    { what: 'the head', timeoutMs },
  );
  const source = new HttpLogSource({ url, log: bcdb.log, token: copyToken });
  const third = await copyOf(t, served, await copyFolder(t), source);
  await put(served, 'ada', 'Ada');
  await reaches(third, served);
  await isAlike(third, served);
});

test('a copy erases the payloads that the log says are erased', async (t) => {
  const served = await serveTeam(t);
  await put(served, 'ada', 'a name to be forgotten');
  const dataDir = await copyFolder(t);
  const copy = await copyOf(t, served, dataDir);
  await reaches(copy, served);
  await served.bcdb.write({ ns: 'team', op: 'erase', url: contact, obj: 'ada' });
  await reaches(copy, served);
  const bodies = async (): Promise<string> => {
    let text = '';
    for await (const group of copy.bcdb.read(0, copy.bcdb.head.size)) {
      text += group.map(({ body = new Uint8Array() }) => Buffer.from(body).toString()).join();
    }
    return text;
  };
  await waitFor(async () => !(await bodies()).includes('to be forgotten'), {
    what: 'the erasure',
    timeoutMs,
  });
});

test('a copy shows the payloads that its source withholds', async (t) => {
  const served = await serveTeam(t);
  const ada = { ns: 'team', op: 'put', url: contact, obj: 'ada', value: { name: 'Ada' } } as const;
  const { seq } = await served.bcdb.write(ada);
  const source = new LocalSource(served.bcdb);
  source.twist = (entries, from) =>
    entries.map(({ leaf, body }, i) => ({ leaf, body: from + i === seq ? undefined : body }));
  const copy = await copyOf(t, served, await copyFolder(t), source);
  await waitFor(async () => (await standingOf(copy)).withheld.length > 0, {
    what: 'what is withheld',
    timeoutMs,
  });
  assert.deepEqual((await standingOf(copy)).withheld, [seq]);
  const metrics = await fetch(`http://127.0.0.1:${copy.metricsAddress?.port}/metrics`);
  assert.match(await metrics.text(), /bcdb_replica_withheld 1/);
});

test('a copy of a log that contradicts itself says so, and answers from what it verified', async (t) => {
  const served = await serveTeam(t);
  await put(served, 'ada', 'Ada');
  const folder = new BcdbFolder(served.dataDir);
  const { sequencerKey } = await loadIdentity(folder);
  const dataDir = await copyFolder(t);
  const first = await copyOf(t, served, dataDir);
  await reaches(first, served);
  await first.close();
  const verified = first.bcdb.copy.sourceHead?.size ?? 0;
  const forged = await ForgedLog.after(served.bcdb, sequencerKey, () => Date.now());
  // The honest log may have grown since.
  forged.cut(1 + forged.size - verified);
  const feedsRoot = Buffer.alloc(32).toString('base64url');
  forged.tick({ at: Date.now(), feedsRoot, state: served.bcdb.digest });
  const copy = await copyOf(t, served, dataDir, forged);
  await waitFor(async () => (await standingOf(copy)).halted !== null, {
    what: 'a halt',
    timeoutMs,
  });
  assert.equal((await standingOf(copy)).halted?.code, 'BCDB_LOG_FORKED');
  const metrics = await fetch(`http://127.0.0.1:${copy.metricsAddress?.port}/metrics`);
  assert.match(await metrics.text(), /bcdb_replica_halted 1/);
  const { trust } = served;
  const client = await BcdbClient.connect({ url: urlOf(copy), trust, token: copyToken });
  assert.equal((await client.get('team', contact, 'ada')).obj, 'ada');
  assert.equal(await readFile(join(dataDir, 'checkpoint'), 'utf8'), copy.bcdb.checkpoint());
});
