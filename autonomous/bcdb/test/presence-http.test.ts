import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';
import type { SigningKey } from '@commongrid/crypto';
import type { KeyText, NodeId } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';
import type { Bcdb } from '../src/bcdb.ts';
import { BcdbClient, HeartbeatSender, HttpLeaseDoor, LeaseHolder } from '../src/client.ts';
import { serverEvents } from '../src/client/event-stream.ts';
import { MessageLink } from '../src/client/message-link.ts';
import { heartbeat } from '../src/presence/heartbeat.ts';
import type { Heartbeat } from '../src/presence/heartbeat.ts';
import { renewal } from '../src/presence/renewal.ts';
import { unknownEpoch } from '../src/presence/signed-message.ts';
import { toBase64url } from '../src/tree/base64.ts';
import { serve } from './http-fixture.ts';
import type { Served } from './http-fixture.ts';
import { keyOf, Town } from '../src/testing/feeds-town.ts';
import type { Machine } from '../src/testing/feeds-town.ts';
import { makeLease } from './support/lease-town.ts';
import { openTwoNodes } from './support/open-grid.ts';
import type { TwoNodes } from './support/open-grid.ts';

const timeoutMs = 60_000;
const { signal } = new AbortController();

interface Grid extends TwoNodes {
  readonly served: Served;
}

/** Two nodes that booted once. */
async function grid(t: TestContext): Promise<Grid> {
  const served = await serve(t);
  const two = await openTwoNodes(served.bcdb);
  for (const { id, key } of two.nodes) {
    await two.town.put('grid.session.1', key, { node: id, n: 1, bootId: fakeId.nonce16(1) });
  }
  return { served, ...two };
}

function headOf(bcdb: Bcdb): { readonly size: number; readonly root: string } {
  return { size: bcdb.head.size, root: toBase64url(bcdb.head.root) };
}

/** The sender of a node that has seen the head of a database. */
function senderOf({ bcdb, url }: Served, { id, key }: Machine, everyMs = 300): HeartbeatSender {
  const head = headOf(bcdb);
  const session = { session: 1, boot: fakeId.nonce16(1) };
  const { log } = bcdb;
  return new HeartbeatSender({
    ...{ url, log, node: id, key, checkpoint: () => head, everyMs, ...session },
  });
}

function alive({ bcdb }: Served, node: NodeId): Promise<unknown> {
  return waitFor(
    () => {
      const presence = bcdb.presence.get(node);
      return presence?.standing === 'alive' && !presence.isAssumed;
    },
    { what: 'heartbeats', timeoutMs },
  );
}

test('heartbeats go on by themselves after a restart of the server and of their sender', async (t) => {
  const { served, nodes } = await grid(t);
  const [one] = nodes;
  const { log, presence } = served.bcdb;
  const session = { node: one.id, session: 1, boot: fakeId.nonce16(1) };
  const said = { log, ...session, epoch: presence.epoch, checkpoint: headOf(served.bcdb) };
  const last = heartbeat.sign(one.key, { ...said, counter: 1_000_000 });
  await new MessageLink(served.url, timeoutMs).send('/v1/heartbeats', last, signal);
  // Another process in the same session begins to count anew, and learns where it was.
  await using sender = senderOf(served, one);
  await waitFor(() => sender.silentMs !== undefined, { what: 'a heartbeat', timeoutMs });
  assert.equal(sender.problem, undefined);
  const { dataDir, owner, door } = served;
  await served.close();
  await waitFor(() => sender.problem?.code === 'BCDB_UNREACHABLE', { what: 'it', timeoutMs });
  const second = await serve(t, { dataDir, owner, port: door.port });
  await alive(second, one.id);
  await waitFor(() => sender.problem === undefined, { what: 'an answer', timeoutMs });
});

test('a sender without a verified head sends nothing, and one whose session is over says so', async (t) => {
  const { served, town, nodes } = await grid(t);
  const [one] = nodes;
  const { url, bcdb } = served;
  const heads: ReturnType<typeof headOf>[] = [];
  let looks = 0;
  const checkpoint = (): ReturnType<typeof headOf> | undefined => {
    looks++;
    return heads.at(-1);
  };
  const node = { node: one.id, key: one.key, session: 1, boot: fakeId.nonce16(1) };
  await using sender = new HeartbeatSender({
    ...{ url, log: bcdb.log, ...node, checkpoint, everyMs: 50 },
  });
  await waitFor(() => looks > 2, { what: 'some rounds', timeoutMs });
  assert.equal(bcdb.presence.get(one.id), undefined);
  heads.push(headOf(bcdb));
  await alive(served, one.id);
  await town.put('grid.session.1', one.key, { node: one.id, n: 2, bootId: fakeId.nonce16(2) });
  await waitFor(() => sender.problem?.code === 'BCDB_HEARTBEAT_STALE', { what: 'it', timeoutMs });
});

test('each refusal of a heartbeat or a renewal comes with its code', async (t) => {
  const { served, town, nodes, ada } = await grid(t);
  const [one, two] = nodes;
  const { bcdb, url } = served;
  const link = new MessageLink(url, timeoutMs);
  let counter = 0;
  const beat = (key: SigningKey, other: Partial<Heartbeat> = {}): Promise<void> => {
    const { epoch } = bcdb.presence;
    const said = { log: bcdb.log, node: one.id, session: 1, boot: fakeId.nonce16(1), epoch };
    const message = { ...said, counter: ++counter, checkpoint: headOf(bcdb), ...other };
    return link.send('/v1/heartbeats', heartbeat.sign(key, message), signal);
  };
  await beat(one.key);
  const refusals: readonly (readonly [string, SigningKey, Partial<Heartbeat>])[] = [
    ['BCDB_HEARTBEAT_STALE', one.key, { counter: 1 }],
    ['BCDB_SIGNATURE_INVALID', two.key, {}],
    ['BCDB_OTHER_LOG', one.key, { log: fakeId.hash(5) }],
    ['BCDB_EPOCH_OVER', one.key, { epoch: unknownEpoch }],
    ['BCDB_NODE_UNKNOWN', one.key, { node: fakeId.node(9) }],
    ['BCDB_FORKED_VIEW', one.key, { checkpoint: { size: 3, root: fakeId.hash(3) } }],
  ];
  for (const [code, key, other] of refusals) await assert.rejects(beat(key, other), hasCode(code));
  const rubbish = link.send('/v1/heartbeats', new Uint8Array(70), signal);
  await assert.rejects(rubbish, hasCode('BCDB_REQUEST_INVALID'));
  const long = link.send('/v1/renewals', new Uint8Array(5000), signal);
  await assert.rejects(long, hasCode('BCDB_REQUEST_INVALID'));
  const name = await makeLease(town, [one.key]);
  const renew = { log: bcdb.log, name, fence: 1, epoch: bcdb.presence.epoch, counter: 1 };
  const lost = link.send('/v1/renewals', renewal.sign(one.key, renew), signal);
  await assert.rejects(lost, hasCode('BCDB_LEASE_LOST'));
  // An address that sent forgeries is heard all the same when it is right.
  for (let n = 0; n < 4; n++) {
    await assert.rejects(beat(two.key), hasCode('BCDB_SIGNATURE_INVALID'));
  }
  await beat(one.key);
  const ended = { node: one.id, farm: fakeId.farm(1), standing: 'compromised' } as const;
  await town.put('grid.adoption.1', ada.device, ended);
  await assert.rejects(beat(one.key), hasCode('BCDB_KEY_ENDED'));
});

test('presence is shown to who may read it: all, one, and as it changes', async (t) => {
  const { served, nodes } = await grid(t);
  const [one, two] = nodes;
  const client = await served.client();
  await using _one = senderOf(served, one);
  await alive(served, one.id);
  interface Listed {
    readonly epoch: string;
    readonly counts: object;
    readonly nodes: readonly { readonly node: NodeId; readonly standing: string }[];
  }
  const all = await client.read<Listed>('/v1/presence');
  assert.deepEqual(
    [all.epoch, all.counts],
    [served.bcdb.presence.epoch, { alive: 1, suspect: 0, gone: 0 }],
  );
  assert.deepEqual(
    all.nodes.map(({ node }) => node),
    [one.id],
  );
  assert.deepEqual((await client.read<Listed>('/v1/presence?standing=gone')).nodes, []);
  await assert.rejects(client.read('/v1/presence?limit=1001'), hasCode('BCDB_REQUEST_INVALID'));
  const shown = await client.read<Listed['nodes'][number]>(`/v1/presence/${one.id}`);
  assert.equal(shown.standing, 'alive');
  await assert.rejects(client.read(`/v1/presence/${two.id}`), hasCode('BCDB_NOT_FOUND'));
  const stop = new AbortController();
  const watched = await fetch(`${served.url}/v1/presence/watch`, { signal: stop.signal });
  const told: string[] = [];
  const watching = (async () => {
    for await (const { event, data } of serverEvents(watched.body ?? new ReadableStream())) {
      const { node = '', standing = '' } = JSON.parse(data) as Partial<Listed['nodes'][number]>;
      told.push(`${event} ${node} ${standing}`.trim());
    }
  })();
  const ends = assert.rejects(watching, { name: 'AbortError' });
  await waitFor(() => told.includes('ready'), { what: 'the first list', timeoutMs });
  assert.deepEqual(told, [`presence ${one.id} alive`, 'ready']);
  await using _two = senderOf(served, two);
  await waitFor(() => told.slice(2).includes(`presence ${two.id} alive`), {
    what: 'the other node',
    timeoutMs,
  });
  stop.abort();
  await ends;
  // The namespace as it was founded lets anybody write and nobody read.
  await Town.found(served.bcdb);
  const paths = ['/v1/presence', `/v1/presence/${one.id}`, '/v1/presence/watch', '/v1/leases/x'];
  const { trust, url } = served;
  const [nobody, stranger] = [
    await BcdbClient.connect({ url, trust }),
    await BcdbClient.connect({ url, trust, key: keyOf('stranger') }),
  ];
  for (const path of paths) {
    await assert.rejects(nobody.read(path), hasCode('BCDB_AUTH_NEEDED'));
    await assert.rejects(stranger.read(path), hasCode('BCDB_DENIED'));
  }
});

test('a lease is held over HTTP through a restart of the server, and then is for the next', async (t) => {
  const { served, town } = await grid(t);
  const [one, two] = [keyOf('controller one'), keyOf('controller two')];
  const name = await makeLease(town, [one, two]);
  const { trust, url } = served;
  // It is held for 12 s without a renewal: longer than a restart takes on a busy machine.
  const ttlMs = 20_000;
  const acquire = async (key: SigningKey, stop?: AbortSignal): Promise<LeaseHolder> => {
    const client = await BcdbClient.connect({ url, trust, key });
    const door = new HttpLeaseDoor({ url, client });
    const waiting = stop === undefined ? {} : { signal: stop };
    return LeaseHolder.acquire({ door, key, log: trust.log, name, ttlMs, ...waiting });
  };
  await using holder = await acquire(one);
  assert.equal(holder.fence, 1);
  const stop = new AbortController();
  const waits = acquire(two, stop.signal);
  const { dataDir, owner, door } = served;
  const rival = { name, holder: two.publicKey.text as KeyText, fence: 2, ttlMs };
  const other = await BcdbClient.connect({ url, trust, key: two });
  const held = new HttpLeaseDoor({ url, client: other });
  await assert.rejects(held.write(rival, undefined), hasCode('BCDB_LEASE_HELD'));
  stop.abort();
  await assert.rejects(waits, hasCode('BASE_ABORTED'));
  await served.close();
  const second = await serve(t, { dataDir, owner, port: door.port });
  const { epoch } = second.bcdb.presence;
  const renewed = (): number => second.bcdb.presence.lease(name)?.remainingMs ?? 0;
  // Renewed in the new run: there is more time left than there was a moment ago.
  let least = renewed();
  await waitFor(
    () => {
      assert.equal(holder.isHeld(), true);
      const isMore = renewed() > least;
      least = Math.min(least, renewed());
      return isMore;
    },
    { what: `a renewal in ${epoch}`, timeoutMs },
  );
  assert.equal(holder.isHeld(), true);
  assert.equal((await held.current(name, undefined))?.holder, one.publicKey.text);
  await holder.release();
  await using next = await acquire(two);
  assert.equal(next.fence, 2);
  const unknown = `${name}/other` as typeof name;
  assert.equal(await held.current(unknown, undefined), undefined);
});
