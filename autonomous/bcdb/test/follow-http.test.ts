import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { isGridError, silentLogger, waitFor } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { everyone } from '@commongrid/model';
import type { ReaderId } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';
import type { Bcdb } from '../src/bcdb.ts';
import { HttpLightSource, HttpLogSource, LightFollower } from '../src/client.ts';
import type { LightFollower as Light } from '../src/follow/light-follower.ts';
import { Follower } from '../src/index.ts';
import { feedsAskedMax } from '../src/feeds/feeds-reply.ts';
import { contact, ownerToken, serve, serveTeam } from './http-fixture.ts';
import type { Served } from './http-fixture.ts';
import { CuttingProxy } from './support/cutting-proxy.ts';
import { Town } from '../src/testing/feeds-town.ts';
import type { Machine } from '../src/testing/feeds-town.ts';
import { openGrid, openTwoNodes } from './support/open-grid.ts';
import type { TwoNodes } from './support/open-grid.ts';
import { sameState } from './support/notes.ts';

const timeoutMs = 60_000;

/** A folder that outlives all that is opened in it: it goes last. */
async function testFolder(t: TestContext): Promise<string> {
  const folder = await tempFolder('bcdb-follow');
  t.after(() => folder[Symbol.asyncDispose]());
  return folder.path;
}

async function write(bcdb: Bcdb, count: number, prefix: string): Promise<void> {
  const writes = Array.from({ length: count }, (_, index) => {
    const value = { name: `${prefix} ${index} ${'long '.repeat(50)}` };
    return bcdb.write({ ns: 'team', op: 'put', url: contact, obj: `${prefix}${index}`, value });
  });
  await Promise.all(writes);
}

function followerOf(served: Served, url: string, dataDir: string, logger: Logger = silentLogger) {
  const { log, genesis } = served.bcdb;
  const source = new HttpLogSource({ url, log, token: ownerToken });
  return Follower.open({ dataDir, genesis, log, source, logger });
}

test('a replica over HTTP comes to the same state through cuts and a restart of the server', async (t) => {
  const folder = await testFolder(t);
  const first = await serveTeam(t);
  await write(first.bcdb, 1500, 'a');
  await using proxy = await CuttingProxy.open(first.door.port);
  // Of each connection less than a page comes through.
  proxy.cutAfterBytes = 100_000;
  await using follower = await followerOf(first, proxy.url, join(folder, 'copy'));
  await waitFor(() => proxy.cuts > 0, { what: 'a cut', timeoutMs });
  assert.equal(follower.ledger.head.size < first.bcdb.head.size, true);
  proxy.cutAfterBytes = Number.POSITIVE_INFINITY;
  await sameState(follower, first.bcdb);
  const { dataDir, owner } = first;
  await first.close();
  proxy.cut();
  const second = await serve(t, { dataDir, owner });
  proxy.target = second.door.port;
  await write(second.bcdb, 50, 'b');
  await sameState(follower, second.bcdb);
  proxy.cut();
  await write(second.bcdb, 1, 'c');
  await sameState(follower, second.bcdb);
});

test('a replica with a key that may not read everything says so and takes nothing', async (t) => {
  const folder = await testFolder(t);
  const served = await serveTeam(t);
  await write(served.bcdb, 3, 'a');
  const { log, genesis } = served.bcdb;
  const codes = new Set<string>();
  const logger: Logger = {
    ...silentLogger,
    warn: (fields: unknown) => {
      const { err } = fields as { readonly err?: unknown };
      if (isGridError(err)) codes.add(err.code);
    },
  };
  const source = new HttpLogSource({ url: served.url, log, key: SigningKey.generate() });
  const dataDir = join(folder, 'copy');
  await using follower = await Follower.open({ dataDir, genesis, log, source, logger });
  await waitFor(() => codes.size > 0, { what: 'a warning', timeoutMs });
  assert.deepEqual([...codes], ['BCDB_ENTRIES_WITHHELD']);
  assert.equal(follower.ledger.head.size, 0);
  const nobody = new HttpLogSource({ url: served.url, log });
  const { signal } = new AbortController();
  const read = nobody.entries(0, served.bcdb.head.size, signal).next();
  await assert.rejects(read, hasCode('BCDB_ENTRIES_WITHHELD'));
  // How the log began is everybody's.
  const genesisEntry = await nobody.entries(0, 1, signal).next();
  assert.equal(genesisEntry.value?.length, 1);
});

test('a wait for records ends once the log is longer, or with its signal', async (t) => {
  const served = await serveTeam(t);
  const source = new HttpLogSource({ url: served.url, log: served.bcdb.log });
  const { signal } = new AbortController();
  await source.waitForMore(served.bcdb.head.size - 1, signal);
  const { size } = served.bcdb.head;
  const waiting = source.waitForMore(size + 2, signal);
  await write(served.bcdb, 1, 'a');
  await write(served.bcdb, 3, 'b');
  await waiting;
  const stop = new AbortController();
  const aborted = source.waitForMore(size + 1000, stop.signal);
  stop.abort();
  await assert.rejects(aborted, hasCode('BASE_ABORTED'));
});

test('a wait answers no sooner than the log is long enough, and when the door closes', async (t) => {
  const served = await serveTeam(t);
  const { size } = served.bcdb.head;
  const socket = connect(served.door.port, '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  // The server has read the second request when it answers the first.
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: bcdb\r\n\r\n`;
  socket.write(get('/healthz') + get(`/v1/log/wait?size=${size + 1000}`));
  await waitFor(() => text.includes('"status":"ok"'), { what: 'the first answer', timeoutMs });
  await write(served.bcdb, 3, 'a');
  // Another round trip: an answer that came too early would be here by then.
  await fetch(`${served.url}/healthz`).then((answer) => answer.text());
  const answers = (): number => text.split('HTTP/1.1 200').length - 1;
  assert.equal(answers(), 1);
  await served.close();
  await waitFor(() => answers() === 2, { what: 'the second answer', timeoutMs });
  // A tick may come to the log after the door closed.
  const told = Number(/\{"size":(\d+)\}$/.exec(text)?.[1]);
  assert.ok(told >= size + 3 && told <= served.bcdb.head.size, text);
});

interface Region extends TwoNodes {
  readonly served: Served;
}

async function region(t: TestContext): Promise<Region> {
  const served = await serve(t);
  const two = await openTwoNodes(served.bcdb);
  const { town, ada, nodes } = two;
  const contract = await town.contract(ada, [ada], 1);
  await town.place(ada, contract, [nodes[0].id]);
  await town.slice(ada, contract, nodes[0].id, 0);
  await town.slice(ada, contract, nodes[1].id, 1);
  return { served, ...two };
}

function lightOf(served: Served, { id, key }: Machine, dataDir: string, url = served.url) {
  const { trust } = served;
  const source = new HttpLightSource({ url, log: trust.log, key });
  return LightFollower.open({ dataDir, trust, reader: id, source });
}

/** Sequences of a feed, as the database has it. */
async function feedOf(bcdb: Bcdb, reader: ReaderId): Promise<readonly number[]> {
  const { feeds } = await bcdb.feedsOf({ size: 0, feeds: [{ reader, count: 0 }] });
  return (feeds[0]?.items ?? []).map(({ record }) => record.seq);
}

async function requireSameFeeds(light: Light, bcdb: Bcdb, readers: readonly ReaderId[]) {
  for (const reader of readers) {
    const seen = Array.from(light.records(reader), ({ seq }) => seq);
    // What somebody needs once more may come once more.
    const told = [...new Set(await feedOf(bcdb, reader))].toSorted((a, b) => a - b);
    assert.deepEqual(seen, told, reader);
  }
}

/** Rounds until the feeds hold so many slices. */
async function seesSlices(light: Light, count: number): Promise<void> {
  await waitFor(
    async () => {
      await light.sync();
      return [...light.objects('grid', 'grid.slice.1')].length === count;
    },
    { what: `${count} slices`, timeoutMs, everyMs: 50 },
  );
}

test('a light follower of a node over HTTP sees its feed and no other, also after a restart', async (t) => {
  const folder = await testFolder(t);
  const { served, ada, nodes } = await region(t);
  const [one, two] = nodes;
  await using light = await lightOf(served, one, join(folder, 'one'));
  await seesSlices(light, 1);
  await requireSameFeeds(light, served.bcdb, [one.id, everyone]);
  assert.deepEqual([...light.records(two.id)], []);
  assert.equal(light.head?.size, light.size);
  const { dataDir, owner, door } = served;
  await served.close();
  await assert.rejects(light.sync(), hasCode('BCDB_UNREACHABLE'));
  const second = await serve(t, { dataDir, owner, port: door.port });
  const again = await openGrid(second.bcdb);
  const contract = await again.contract(ada, [ada], 2);
  await again.slice(ada, contract, one.id, 0);
  await seesSlices(light, 2);
  await requireSameFeeds(light, second.bcdb, [one.id, everyone]);
  assert.equal(light.problem, undefined);
});

test('a feed is for its reader and the owner, what concerns everyone for who may read the grid', async (t) => {
  const { served, town, ada, nodes } = await region(t);
  const [one, two] = nodes;
  const { url, bcdb } = served;
  const { signal } = new AbortController();
  const ask = (who: { readonly token?: string; readonly key?: SigningKey }, ...readers: string[]) =>
    new HttpLightSource({ url, log: bcdb.log, ...who }).feeds(
      { size: 0, feeds: readers.map((reader) => ({ reader, count: 0 })) },
      signal,
    );
  await waitFor(() => ask({ token: ownerToken }, one.id), { what: 'a tick', timeoutMs });
  await ask({ key: one.key }, one.id, everyone);
  await ask({ key: ada.device }, ada.id);
  await ask({ key: ada.root }, ada.id);
  await ask({}, everyone);
  await ask({ token: ownerToken }, one.id, two.id, ada.id, everyone);
  await assert.rejects(ask({}, one.id), hasCode('BCDB_AUTH_NEEDED'));
  await assert.rejects(ask({ key: two.key }, one.id), hasCode('BCDB_DENIED'));
  await assert.rejects(ask({ key: one.key }, one.id, ada.id), hasCode('BCDB_DENIED'));
  await assert.rejects(ask({ key: ada.device }, one.id), hasCode('BCDB_DENIED'));
  await assert.rejects(ask({ key: one.key }), hasCode('BCDB_REQUEST_INVALID'));
  const many = Array.from({ length: feedsAskedMax + 1 }, () => one.id);
  await assert.rejects(ask({ key: one.key }, ...many), hasCode('BCDB_REQUEST_INVALID'));
  const ahead = new HttpLightSource({ url, log: bcdb.log, key: one.key });
  const tooLong = ahead.feeds(
    { size: bcdb.head.size + 100, feeds: [{ reader: one.id, count: 0 }] },
    signal,
  );
  await assert.rejects(tooLong, hasCode('BCDB_SEQ_UNKNOWN'));
  // A node that the log does not know has the id of its key, and an empty feed.
  const stranger = SigningKey.generate();
  await assert.rejects(ask({ key: stranger }, one.id), hasCode('BCDB_DENIED'));
  const ended = { node: two.id, farm: fakeId.farm(1), standing: 'compromised' } as const;
  await town.put('grid.adoption.1', ada.device, ended);
  await assert.rejects(ask({ key: two.key }, two.id), hasCode('BCDB_DENIED'));
  await Town.found(bcdb);
  await assert.rejects(ask({}, everyone), hasCode('BCDB_AUTH_NEEDED'));
  await assert.rejects(ask({ key: stranger }, everyone), hasCode('BCDB_DENIED'));
});
