import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import type { ContractId, ReaderId } from '@commongrid/model';
import { BcdbFolder } from '../src/config.ts';
import { feedsRootOf } from '../src/feeds/feed-hash.ts';
import { Follower } from '../src/follow/follower.ts';
import type { LightFollower } from '../src/follow/light-follower.ts';
import { loadIdentity } from '../src/genesis-file.ts';
import { toBase64url } from '../src/tree/base64.ts';
import { treeHasher } from '../src/tree/node-hasher.ts';
import { evidenceIn } from './support/evidence.ts';
import type { Citizen, Machine, TwistedReply } from '../src/testing/feeds-town.ts';
import { ForgedLog, pathOf } from './support/forged-log.ts';
import { TimedTown } from '../src/testing/timed-town.ts';
import type { TimedTownParts } from '../src/testing/timed-town.ts';

/** Ada's nodes, and on the first a contract of Carol's. */
class World extends TimedTown {
  readonly ada: Citizen;
  readonly carol: Citizen;
  readonly node: Machine;
  readonly other: Machine;
  readonly contract: ContractId;
  #followers = 0;

  private constructor(parts: TimedTownParts & Cast) {
    super(parts);
    this.ada = parts.ada;
    this.carol = parts.carol;
    this.node = parts.node;
    this.other = parts.other;
    this.contract = parts.contract;
  }

  static override async open(): Promise<World> {
    const parts = await TimedTown.founded();
    const { town } = parts;
    const [ada, carol] = [await town.citizen('ada'), await town.citizen('carol')];
    const farm = await town.farm(ada, 1);
    const node = await town.node(ada, farm, 'node');
    const other = await town.node(ada, farm, 'other');
    const contract = await town.contract(carol, [carol], 1);
    await town.lock(ada, carol, contract, node.id, 1);
    await town.slice(carol, contract, node.id, 0);
    await town.slice(carol, contract, other.id, 1);
    await town.event(other, contract, 1);
    await town.event(node, contract, 0);
    const world = new World({ ...parts, ada, carol, node, other, contract });
    await world.tick();
    return world;
  }

  follow(
    name = String(this.#followers++),
    reader: ReaderId = this.node.id,
  ): Promise<LightFollower> {
    return this.followAs(name, reader);
  }

  /** Hashes of all records so far. */
  async leafHashes(): Promise<readonly Uint8Array[]> {
    const hashes: Uint8Array[] = [];
    for await (const group of this.bcdb.read(0, this.bcdb.head.size)) {
      hashes.push(...group.map(({ leaf }) => treeHasher.leafHash(leaf)));
    }
    return hashes;
  }

  /** The same log in the hands of a sequencer that lies. */
  async forge(): Promise<ForgedLog> {
    const { sequencerKey } = await loadIdentity(new BcdbFolder(join(this.folder, 'log')));
    return ForgedLog.after(this.bcdb, sequencerKey, () => this.clock.nowMs());
  }
}

type Cast = Pick<World, 'ada' | 'carol' | 'node' | 'other' | 'contract'>;

/** The first feed of a reply, which is the reader's own. */
function own({ feeds }: TwistedReply): TwistedReply['feeds'][number] {
  const [feed] = feeds;
  assert.ok(feed !== undefined);
  return feed;
}

test('a source that changes anything about a feed is caught, and nothing of it is taken in', async () => {
  await using world = await World.open();
  const { bcdb, source, node, other, contract } = world;
  const asked = { size: 0, feeds: [{ reader: other.id, count: 0 }] };
  const theirs = (await bcdb.feedsOf(asked)).feeds[0]?.items ?? [];
  const foreign = theirs.at(-1);
  assert.ok(foreign !== undefined);
  const twists: Readonly<Record<string, (reply: TwistedReply) => unknown>> = {
    'the last record is withheld': (reply) => own(reply).items.pop(),
    'the first record is withheld': (reply) => own(reply).items.shift(),
    'a record in between is withheld': (reply) => own(reply).items.splice(3, 1),
    'all records are withheld': (reply) => own(reply).items.splice(0),
    'two records change places': (reply) =>
      own(reply).items.splice(1, 0, ...own(reply).items.splice(2, 1)),
    'a record comes twice': (reply) =>
      own(reply).items.splice(1, 0, ...own(reply).items.slice(0, 1)),
    'a record of another is slipped in': (reply) => {
      const { items } = own(reply);
      items.splice(
        items.findIndex(({ record: { seq } }) => seq > foreign.record.seq),
        0,
        foreign,
      );
    },
    'a record of another takes the place of one': (reply) => {
      const { items } = own(reply);
      items.splice(
        items.findIndex(({ record: { seq } }) => seq > foreign.record.seq),
        1,
        foreign,
      );
    },
    'log time of a record is another': (reply) => {
      for (const item of own(reply).items) item.at += 1;
    },
    'a payload is missing': (reply) => {
      for (const { record } of own(reply).items) delete record.body;
    },
    'a payload is another': (reply) => {
      const [first, second] = own(reply).items;
      if (first?.record.body !== undefined && second !== undefined)
        second.record.body = first.record.body;
    },
    'a sequence is another': (reply) => {
      for (const { record } of own(reply).items) record.seq += 1;
    },
    'the place tells of fewer records': (reply) => {
      own(reply).items.pop();
      for (const place of own(reply).places) place.count -= 1;
    },
    'the place is that of another reader': (reply) => {
      const feed = reply.feeds[1];
      own(reply).places = feed?.places ?? [];
      own(reply).items = [];
    },
    'no place is shown': (reply) => {
      own(reply).places = [];
      own(reply).items = [];
    },
    'the tree of feeds is said to be empty': (reply) => {
      reply.tree.size = 0;
      own(reply).places = [];
      own(reply).items = [];
    },
    'the tree of feeds shows the own place only': (reply) => {
      reply.tree.path = [];
    },
    'the tick is another record': (reply) => {
      reply.tick = own(reply).items.at(-1)?.record ?? reply.tick;
    },
    'the feed of everyone is left out': (reply) => reply.feeds.pop(),
    'the feed of everyone is the own one': (reply) => {
      reply.feeds[1] = { ...own(reply), reader: '*' };
    },
  };
  await using before = await world.follow('before');
  await before.sync();
  const { size } = before;
  await world.town.event(node, contract, 0, 2);
  await world.tick();
  const leafHashes = await world.leafHashes();
  for (const [what, twist] of Object.entries(twists)) {
    source.twist = (reply) => {
      twist(reply);
      // A source that lies shows at least that what it gives is in the log.
      return { ...reply, path: pathOf(reply, leafHashes) };
    };
    await using fresh = await world.follow();
    await assert.rejects(fresh.sync(), { code: 'BCDB_FEED_INCOMPLETE' }, what);
    assert.equal(fresh.size, 0, what);
    assert.equal([...fresh.records(node.id)].length, 0, what);
    assert.throws(() => fresh.requireFresh(30), { code: 'BCDB_FEED_INCOMPLETE' }, what);
    assert.equal(fresh.isHalted, false, what);
    source.twist = (reply) => reply;
    await fresh.sync();
    fresh.requireFresh(30);
    assert.equal(fresh.size, bcdb.head.size, what);
  }
  assert.equal(before.size, size);
  await before.sync();
  assert.equal(before.size, bcdb.head.size);
});

test('records that the log does not have are caught, whoever signed them', async () => {
  await using world = await World.open();
  const { source, bcdb, node } = world;
  const asked = { size: 0, feeds: [{ reader: node.id, count: 0 }] };
  const { path } = await bcdb.feedsOf(asked);
  const twists: readonly ((reply: TwistedReply) => unknown)[] = [
    (reply) => reply.path.pop(),
    (reply) => reply.path.reverse(),
    (reply) => reply.path.push(...path.slice(0, 1)),
    (reply) => (reply.path = []),
    (reply) => (reply.tick.seq -= 1),
    (reply) => {
      for (const { record } of own(reply).items.slice(-1)) record.seq += 1;
    },
  ];
  for (const twist of twists) {
    source.twist = (reply) => {
      twist(reply);
      return reply;
    };
    await using follower = await world.follow();
    await assert.rejects(follower.sync(), { code: 'BCDB_FEED_INCOMPLETE' });
    assert.equal(follower.size, 0);
  }
});

test('what is no reply, of another log, or unsigned is refused', async () => {
  await using world = await World.open();
  const { source } = world;
  const twists: readonly (readonly [string, (reply: TwistedReply) => unknown])[] = [
    ['BCDB_REPLY_INVALID', () => 'busy'],
    ['BCDB_REPLY_INVALID', (reply) => ({ ...reply, schema: 'grid.bcdb.feeds.1' })],
    ['BCDB_NOTE_INVALID', (reply) => ({ ...reply, checkpoint: 'none' })],
    [
      'BCDB_OTHER_LOG',
      (reply) => {
        const otherLog = (_name: string, first: string): string =>
          `bcdb/${first === 'A' ? 'B' : 'A'}`;
        return { ...reply, checkpoint: reply.checkpoint.replace(/bcdb\/(.)/, otherLog) };
      },
    ],
    [
      'BCDB_CHECKPOINT_UNSIGNED',
      (reply) => ({ ...reply, checkpoint: reply.checkpoint.replace(/\n\d+\n/, '\n999\n') }),
    ],
  ];
  for (const [code, twist] of twists) {
    source.twist = twist;
    await using follower = await world.follow();
    await assert.rejects(follower.sync(), { code });
    assert.equal(follower.size, 0);
    assert.throws(() => follower.requireFresh(30));
  }
});

test('a head that is frozen grows stale, and one from the future is not fresh', async () => {
  await using world = await World.open();
  const { source, clock } = world;
  await using follower = await world.follow();
  assert.throws(() => follower.requireFresh(30), { code: 'BCDB_VIEW_STALE' });
  let frozen: TwistedReply | undefined;
  source.twist = (reply) => (frozen ??= reply);
  const frozenLog = await world.leafHashes();
  await follower.sync();
  follower.requireFresh(30);
  await world.town.event(world.node, world.contract, 0, 2);
  await clock.advance(31_000);
  frozen = { ...(frozen as TwistedReply), consistency: [] };
  for (const feed of frozen.feeds) feed.items = [];
  frozen.path = pathOf(frozen, frozenLog);
  await follower.sync();
  assert.throws(() => follower.requireFresh(30), { code: 'BCDB_VIEW_STALE' });
  source.twist = (reply) => reply;
  await follower.sync();
  follower.requireFresh(30);
  clock.jump(-40_000);
  assert.throws(() => follower.requireFresh(30), { code: 'BCDB_VIEW_STALE' });
});

test('an old tick under a new checkpoint hides nothing', async () => {
  await using world = await World.open();
  const { source, clock } = world;
  await using follower = await world.follow();
  await using fresh = await world.follow();
  await follower.sync();
  let old: TwistedReply | undefined;
  source.twist = (reply) => (old = reply);
  await fresh.sync();
  await world.town.event(world.node, world.contract, 0, 2);
  await clock.advance(11_000);
  await world.tick();
  const leafHashes = await world.leafHashes();
  source.twist = (reply) => {
    const { tree, feeds, tick } = old ?? reply;
    for (const feed of feeds) feed.items = [];
    return { ...reply, tree, feeds, tick, path: pathOf({ tick, feeds }, leafHashes) };
  };
  for (const one of [follower, fresh]) {
    await assert.rejects(one.sync(), { code: 'BCDB_FEED_INCOMPLETE' });
    assert.throws(() => one.requireFresh(60), { code: 'BCDB_FEED_INCOMPLETE' });
  }
});

test('a tick older than one seen is no place to stand on, however fresh', async () => {
  await using world = await World.open();
  const { source } = world;
  await using follower = await world.follow();
  await using first = await world.follow();
  let old: TwistedReply | undefined;
  source.twist = (reply) => (old = reply);
  await first.sync();
  source.twist = (reply) => reply;
  await world.town.event(world.node, world.contract, 0, 2);
  await world.tick();
  await follower.sync();
  const leafHashes = await world.leafHashes();
  source.twist = (reply) => {
    const { tree, feeds, tick } = old ?? reply;
    for (const feed of feeds) feed.items = [];
    return { ...reply, tree, feeds, tick, path: pathOf({ tick, feeds }, leafHashes) };
  };
  await assert.rejects(follower.sync(), { code: 'BCDB_FEED_INCOMPLETE' });
  assert.equal(follower.isHalted, false);
});

test('a tick that another key wrote says nothing', async () => {
  await using world = await World.open();
  const { source, bcdb, ada } = world;
  const root = toBase64url(treeHasher.emptyRoot);
  const none = feedsRootOf((bytes) => hash('sha256', bytes, 'buffer'), 0, treeHasher.emptyRoot);
  const value = { at: world.clock.nowMs(), feedsRoot: toBase64url(none), state: bcdb.digest };
  const said = world.town.say('bcdb.tick.1', ada.device, 'tick', value);
  await assert.rejects(said, { code: 'BCDB_NAME_RESERVED' });
  // So the nearest to it is any other record in the place of a tick.
  const seq = 1;
  const { leaf, body } = await bcdb.prove(seq);
  const tick = { seq, leaf, ...(body === undefined ? {} : { body }) };
  const leafHashes = await world.leafHashes();
  source.twist = (reply) => {
    const feeds = reply.feeds.map(({ reader }) => ({ reader, places: [], items: [] }));
    const path = pathOf({ tick, feeds }, leafHashes);
    return { ...reply, tick, path, tree: { size: 0, root, path: [] }, feeds };
  };
  await using follower = await world.follow();
  await assert.rejects(follower.sync(), { code: 'BCDB_FEED_INCOMPLETE' });
  assert.equal(follower.size, 0);
});

test('a source that falls behind is passed over; a sequencer that goes back halts for good', async () => {
  await using world = await World.open();
  const { source } = world;
  await using follower = await world.follow('back');
  let old: TwistedReply | undefined;
  source.twist = (reply) => (old ??= reply);
  await follower.sync();
  await world.town.event(world.node, world.contract, 0, 2);
  await world.tick();
  source.twist = (reply) => reply;
  await follower.sync();
  source.twist = () => old;
  await assert.rejects(follower.sync(), { code: 'BCDB_LOG_ROLLED_BACK' });
  assert.equal(follower.isHalted, false);
  source.twist = (reply) => reply;
  await follower.sync();
  const forged = await world.forge();
  forged.cut(1);
  await world.clock.advance(5000);
  const note = await forged.checkpoint();
  source.twist = (reply) => ({ ...reply, checkpoint: note });
  await assert.rejects(follower.sync(), { code: 'BCDB_LOG_ROLLED_BACK' });
  assert.equal(follower.isHalted, true);
  await evidenceIn(world.dirOf('back'), 'BCDB_LOG_ROLLED_BACK');
  source.twist = (reply) => reply;
  await assert.rejects(follower.sync(), { code: 'BCDB_LOG_ROLLED_BACK' });
  await follower.close();
  await using again = await world.follow('back');
  assert.equal(again.isHalted, true);
  assert.throws(() => again.requireFresh(1e9), { code: 'BCDB_LOG_ROLLED_BACK' });
});

test('two heads of one size that differ halt a light follower, with both kept', async () => {
  await using world = await World.open();
  const { source } = world;
  await using follower = await world.follow('fork');
  await follower.sync();
  const forged = await world.forge();
  forged.cut(1);
  forged.tick({
    at: world.clock.nowMs(),
    feedsRoot: toBase64url(new Uint8Array(32)),
    state: world.bcdb.digest,
  });
  const note = await forged.checkpoint();
  source.twist = (reply) => ({ ...reply, checkpoint: note });
  await assert.rejects(follower.sync(), { code: 'BCDB_LOG_FORKED' });
  assert.equal(follower.isHalted, true);
  const kept = await evidenceIn(world.dirOf('fork'), 'BCDB_LOG_FORKED');
  assert.ok(kept.includes(JSON.stringify(note).slice(1, -1)));
});

test('ticks that tell of equal counts with other records convict the sequencer', async () => {
  await using world = await World.open();
  const { source, bcdb, node } = world;
  const asked = [node.id, '*'].map((reader) => ({ reader, count: 0 }));
  const { feeds } = await bcdb.feedsOf({ size: 0, feeds: asked });
  const heads = new Map(
    feeds.map(({ reader, places: [place] }) => [
      reader,
      { count: place?.count ?? 0, chain: Buffer.from(place?.chain ?? '', 'base64url') },
    ]),
  );
  const chain = new Uint8Array(32).fill(7);
  const count = heads.get(node.id)?.count ?? 0;
  for (const [name, head] of [
    ['other', { count, chain }],
    ['fewer', { count: count - 1, chain }],
  ] as const) {
    await using follower = await world.follow(name);
    await follower.sync();
    const forged = await world.forge();
    forged.tickWith({ heads: new Map([...heads, [node.id, head]]), items: [] }, bcdb.digest);
    source.twist = () => reply;
    const request = { size: follower.size, feeds: asked };
    const reply = await forged.feeds(request);
    await assert.rejects(follower.sync(), { code: 'BCDB_FEEDS_DIFFER' }, name);
    assert.equal(follower.isHalted, true);
    await evidenceIn(world.dirOf(name), 'BCDB_FEEDS_DIFFER');
    source.twist = (honest) => honest;
  }
});

test('a tick with feeds that leave a record out halts every full replica, and only them', async () => {
  await using world = await World.open();
  const { source, bcdb, node } = world;
  await using light = await world.follow();
  await light.sync();
  const asked = [node.id, '*'].map((reader) => ({ reader, count: 0 }));
  const { feeds } = await bcdb.feedsOf({ size: 0, feeds: asked });
  const heads = new Map(
    feeds.map(({ reader, places: [place] }) => [
      reader,
      { count: place?.count ?? 0, chain: Buffer.from(place?.chain ?? '', 'base64url') },
    ]),
  );
  await world.town.event(node, world.contract, 0, 2);
  const forged = await world.forge();
  // To the node, nothing has happened: all that it could know is as it was.
  forged.tickWith({ heads, items: [] }, bcdb.digest);
  const reply = await forged.feeds({ size: light.size, feeds: asked });
  source.twist = () => reply;
  await light.sync();
  light.requireFresh(30);
  const dataDir = world.dirOf('full');
  await using full = await Follower.open({
    ...{ dataDir, genesis: bcdb.genesis, log: bcdb.log, source: forged },
  });
  await waitFor(() => full.replica.halted !== undefined, { timeoutMs: 60_000, what: 'a halt' });
  assert.equal(full.replica.halted?.code, 'BCDB_FEEDS_DIFFER');
  await evidenceIn(dataDir, 'BCDB_FEEDS_DIFFER');
});
