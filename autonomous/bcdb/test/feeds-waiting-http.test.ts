import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { waitFor } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { everyone } from '@commongrid/model';
import type { ContractId } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';
import { HttpLightSource, HttpLogSource, LightFollower } from '../src/client.ts';
import { HttpLink } from '../src/client/http-link.ts';
import { feedsWaitMsMax } from '../src/feeds/feeds-reply.ts';
import type { FeedsReply, FeedsRequest } from '../src/feeds/feeds-reply.ts';
import { BcdbServer } from '../src/index.ts';
import { ownerToken, serve } from './http-fixture.ts';
import type { Served } from './http-fixture.ts';
import { ticked } from '../src/testing/feeds-town.ts';
import type { Machine } from '../src/testing/feeds-town.ts';
import { openTwoNodes } from './support/open-grid.ts';
import type { TwoNodes } from './support/open-grid.ts';

const timeoutMs = 60_000;
const { signal: never } = new AbortController();

interface Region extends TwoNodes {
  readonly served: Served;
  readonly contract: ContractId;
}

/** Two nodes with a slice each. */
async function region(t: TestContext): Promise<Region> {
  const served = await serve(t);
  const two = await openTwoNodes(served.bcdb);
  const { town, ada, nodes } = two;
  const contract = await town.contract(ada, [ada], 1);
  await town.slice(ada, contract, nodes[0].id, 0);
  await town.slice(ada, contract, nodes[1].id, 1);
  await ticked(served.bcdb);
  return { served, contract, ...two };
}

function sourceOf({ bcdb, url }: Served, { key }: Machine): HttpLightSource {
  return new HttpLightSource({ url, log: bcdb.log, key });
}

/** A question of a node that knows all there is, and may wait for as long as anybody may. */
async function knowingAll({ bcdb }: Served, { id }: Machine): Promise<FeedsRequest> {
  const readers = [id, everyone];
  const all = readers.map((reader) => ({ reader, count: 0 }));
  const { feeds } = await bcdb.feedsOf({ size: 0, feeds: all });
  const counts = feeds.map(({ reader, places }) => {
    return { reader, count: places.find((place) => place.reader === reader)?.count ?? 0 };
  });
  return { size: bcdb.head.size, feeds: counts, waitMs: feedsWaitMsMax };
}

interface Asked {
  readonly answer: Promise<FeedsReply>;
  isAnswered: boolean;
}

/** Asks, and waits until the server has the question and keeps it. */
async function ask(served: Served, source: HttpLightSource, request: FeedsRequest): Promise<Asked> {
  const before = served.bcdb.feedWaiters;
  const asked: Asked = {
    isAnswered: false,
    answer: source.feeds(request, never).then((reply) => {
      asked.isAnswered = true;
      return reply as FeedsReply;
    }),
  };
  // Whoever looks at it later hears of an error then.
  asked.answer.catch(() => undefined);
  const isKept = (): boolean => served.bcdb.feedWaiters > before;
  await waitFor(isKept, { what: 'a question that waits', timeoutMs });
  return asked;
}

function seqsOf({ feeds }: FeedsReply): readonly number[] {
  return feeds.flatMap(({ items }) => items.map(({ record }) => record.seq));
}

test('a question waits for what concerns its reader, and for nothing else', async (t) => {
  const { served, town, contract, nodes } = await region(t);
  const [one, two] = nodes;
  const request = await knowingAll(served, one);
  const asked = await ask(served, sourceOf(served, one), request);
  await town.event(two, contract, 1, 1);
  await ticked(served.bcdb);
  // Another round trip: an answer that came too early would be here by then.
  await fetch(`${served.url}/healthz`).then((answer) => answer.text());
  assert.equal(asked.isAnswered, false);
  const { seq } = await town.event(one, contract, 0, 1);
  assert.deepEqual(seqsOf(await asked.answer), [seq]);
  assert.equal(served.bcdb.feedWaiters, 0);
  // What is there already needs no waiting, and what is refused neither.
  assert.deepEqual(seqsOf((await sourceOf(served, one).feeds(request, never)) as FeedsReply), [
    seq,
  ]);
  const ahead = { ...request, size: served.bcdb.head.size + 100 };
  await assert.rejects(sourceOf(served, one).feeds(ahead, never), hasCode('BCDB_SEQ_UNKNOWN'));
});

test('a question that has waited long enough gets the newest head without records', async (t) => {
  const { served, town, contract, nodes } = await region(t);
  const [one, two] = nodes;
  const request = await knowingAll(served, one);
  await town.event(two, contract, 1, 1);
  await ticked(served.bcdb);
  const short = { ...request, waitMs: 50 };
  const reply = (await sourceOf(served, one).feeds(short, never)) as FeedsReply;
  assert.deepEqual(seqsOf(reply), []);
  assert.equal(Number(reply.checkpoint.split('\n')[1]) > request.size, true);
  for (const waitMs of [-1, feedsWaitMsMax + 1]) {
    const wrong = sourceOf(served, one).feeds({ ...request, waitMs }, never);
    await assert.rejects(wrong, hasCode('BCDB_REQUEST_INVALID'));
  }
});

test('questions that wait end with the door, with their peer, and with the right to ask', async (t) => {
  const { served, town, ada, nodes } = await region(t);
  const [one, two] = nodes;
  const request = await knowingAll(served, one);
  const source = sourceOf(served, one);
  const gone = new AbortController();
  const left = source.feeds(request, gone.signal);
  await waitFor(() => served.bcdb.feedWaiters === 1, { what: 'a question', timeoutMs });
  gone.abort();
  await assert.rejects(left, hasCode('BASE_ABORTED'));
  await waitFor(() => served.bcdb.feedWaiters === 0, { what: 'its end', timeoutMs });
  const ended = await ask(served, sourceOf(served, two), await knowingAll(served, two));
  const adoption = { node: two.id, farm: fakeId.farm(1), standing: 'compromised' } as const;
  await town.put('grid.adoption.1', ada.device, adoption);
  await assert.rejects(ended.answer, hasCode('BCDB_DENIED'));
  await ticked(served.bcdb);
  const asked = await ask(served, source, await knowingAll(served, one));
  await served.close();
  assert.deepEqual(seqsOf(await asked.answer), []);
});

test('a follower has a record at once, and closes while its question waits', async (t) => {
  const folder = await tempFolder('bcdb-news');
  t.after(() => folder[Symbol.asyncDispose]());
  const { served, town, contract, nodes } = await region(t);
  const [one] = nodes;
  const { trust, bcdb } = served;
  const source = sourceOf(served, one);
  const dataDir = join(folder.path, 'one');
  const follower = await LightFollower.open({ dataDir, trust, reader: one.id, source });
  const following = follower.follow({ signal: never, waitMs: feedsWaitMsMax });
  const events = (): number => [...follower.objects('grid', 'grid.event.1')].length;
  const waits = (): boolean => bcdb.feedWaiters === 1;
  await waitFor(waits, { what: 'a question that waits', timeoutMs });
  await town.event(one, contract, 0, 1);
  await waitFor(() => events() === 1, { what: 'an event', timeoutMs });
  await waitFor(waits, { what: 'the next question', timeoutMs });
  // Nobody has asked as long as a question may wait.
  assert.ok(follower.ageSeconds < feedsWaitMsMax / 1000, `${follower.ageSeconds} s old`);
  await follower.close();
  await following;
  await waitFor(() => bcdb.feedWaiters === 0, { what: 'the end of the question', timeoutMs });
});

test('news pass through a copy, whose readers have a head that is not old', async (t) => {
  const folder = await tempFolder('bcdb-news');
  t.after(() => folder[Symbol.asyncDispose]());
  const { served, town, contract, nodes } = await region(t);
  const [one] = nodes;
  const { trust, bcdb, url } = served;
  const { log, genesis } = bcdb;
  const copy = await BcdbServer.openReplica({
    ...{ dataDir: join(folder.path, 'copy'), log, genesis, sequencer: url },
    source: new HttpLogSource({ url, log, token: ownerToken }),
    http: { host: '127.0.0.1', port: 0 },
  });
  t.after(() => copy.close());
  const isThere = (): boolean => copy.bcdb.head.size >= bcdb.head.size;
  await waitFor(isThere, { what: 'a copy', timeoutMs });
  const source = new HttpLightSource({
    ...{ url: `http://127.0.0.1:${copy.httpAddress.port}`, log, key: one.key },
  });
  const dataDir = join(folder.path, 'one');
  await using follower = await LightFollower.open({ dataDir, trust, reader: one.id, source });
  const stop = new AbortController();
  const following = follower.follow({ signal: stop.signal, waitMs: feedsWaitMsMax });
  await waitFor(() => copy.bcdb.feedWaiters === 1, { what: 'a question that waits', timeoutMs });
  // Waits for as long as nothing comes: only news end it.
  let isTold = false;
  const told = copy.bcdb.feedNews(await knowingAll(served, one), never).then(() => (isTold = true));
  await town.event(one, contract, 0, 1);
  const events = (): number => [...follower.objects('grid', 'grid.event.1')].length;
  await waitFor(() => isTold, { what: 'news at the copy', timeoutMs });
  await told;
  await waitFor(() => events() === 1, { what: 'an event', timeoutMs });
  stop.abort();
  await following;
  // Nothing is said any more, and still the copy hears how old its head is.
  await ticked(bcdb);
  const { size } = bcdb.head;
  const notes = new Set<string>();
  const isRenewed = (): boolean => {
    const { head, note } = copy.bcdb.signedHead();
    if (head.size === size) notes.add(note);
    return notes.size >= 4;
  };
  await waitFor(isRenewed, { what: 'heads of one size with four times', timeoutMs, everyMs: 100 });
  assert.equal(bcdb.head.size, size);
});

/** A server that answers each request as told. */
async function rogue(t: TestContext, answer: (response: ServerResponse) => void): Promise<string> {
  const server = createServer((_, response) => answer(response));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('not a TCP server');
  return `http://127.0.0.1:${address.port}`;
}

const question: FeedsRequest = { size: 1, feeds: [{ reader: everyone, count: 1 }], waitMs: 10 };

test('a server that never ends its answer is given up', async (t) => {
  const drops: NodeJS.Timeout[] = [];
  t.after(() => drops.forEach((drop) => clearInterval(drop)));
  const url = await rogue(t, (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    drops.push(setInterval(() => response.write(' '), 20));
  });
  const source = new HttpLightSource({ url, log: fakeId.hash(1), timeoutMs: 300 });
  await assert.rejects(source.feeds(question, never), hasCode('BCDB_UNREACHABLE'));
});

test('a server that keeps silent is given up before its time is over, one that is slow is not', async (t) => {
  const options = { timeoutMs: 60_000, authorize: async () => undefined, renew: () => false };
  let asked = 0;
  const silent = new HttpLink({ url: await rogue(t, () => asked++), ...options });
  const lost = silent.json('/', { answerMs: 1_000, method: 'POST' });
  await assert.rejects(lost, hasCode('BCDB_UNREACHABLE'));
  assert.equal(asked, 1);
  const url = await rogue(t, (response) => {
    response.writeHead(200).write('{');
    setTimeout(() => response.end('}'), 2500);
  });
  const slow = new HttpLink({ url, ...options });
  assert.deepEqual(await slow.json('/', { answerMs: 2000 }), {});
});

test('a follower of a server that keeps silent is told, and closes at once', async (t) => {
  const folder = await tempFolder('bcdb-news');
  t.after(() => folder[Symbol.asyncDispose]());
  let asked = 0;
  const url = await rogue(t, () => asked++);
  const log = fakeId.hash(1);
  const key = SigningKey.generate();
  const trust = { log, sequencerKey: key.publicKey.text };
  const source = new HttpLightSource({ url, log });
  const dataDir = join(folder.path, 'one');
  const follower = await LightFollower.open({ dataDir, trust, reader: fakeId.node(1), source });
  const following = follower.follow({ signal: never });
  await waitFor(() => asked > 0, { what: 'a question', timeoutMs });
  assert.equal(follower.ageSeconds, Number.POSITIVE_INFINITY);
  await follower.close();
  await following;
});
