import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { SigningKey } from '@commongrid/crypto';
import { desiredOf } from '@commongrid/model';
import type { FarmId, NodeId, RecordOf } from '@commongrid/model';
import { DeploymentPlan, examples, fakeId } from '@commongrid/model/testing';
import { feedItemsMax } from '../src/feeds/feeds-reply.ts';
import type { LightArrival } from '../src/follow/light-change.ts';
import type { LightFollower } from '../src/follow/light-follower.ts';
import { keyOf, text } from '../src/testing/feeds-town.ts';
import type { Citizen, Machine, TwistedReply } from '../src/testing/feeds-town.ts';
import { pathOf } from './support/forged-log.ts';
import { follow, sameState } from './support/notes.ts';
import { foldOf, TimedTown } from '../src/testing/timed-town.ts';
import type { TimedTownParts } from '../src/testing/timed-town.ts';
import { treeHasher } from '../src/tree/node-hasher.ts';

/** Ada has a farm with a node; Carol rents, and Dan signs for her contracts. */
class Rental extends TimedTown {
  readonly ada: Citizen;
  readonly carol: Citizen;
  readonly dan: Citizen;
  #farm: FarmId | undefined;
  #node: Machine | undefined;

  private constructor(parts: TimedTownParts & Pick<Rental, 'ada' | 'carol' | 'dan'>) {
    super(parts);
    this.ada = parts.ada;
    this.carol = parts.carol;
    this.dan = parts.dan;
  }

  static override async open(): Promise<Rental> {
    const parts = await TimedTown.founded();
    const { town } = parts;
    const [ada, carol] = [await town.citizen('ada'), await town.citizen('carol')];
    return new Rental({ ...parts, ada, carol, dan: await town.citizen('dan') });
  }

  get node(): Machine {
    assert.ok(this.#node !== undefined, 'the node is installed before it is needed');
    return this.#node;
  }

  async build(): Promise<void> {
    this.#farm = await this.town.farm(this.ada, 1);
  }

  async install(): Promise<void> {
    assert.ok(this.#farm !== undefined);
    this.#node = await this.town.node(this.ada, this.#farm, 'node');
  }

  async settle(): Promise<void> {
    await this.build();
    await this.install();
  }

  follow(name = 'node'): Promise<LightFollower> {
    return this.followAs(name, this.node.id);
  }
}

/** A contract of Carol's, step by step. */
class Deal {
  readonly plan: DeploymentPlan;
  readonly #rental: Rental;
  readonly #n: number;

  constructor(rental: Rental, n: number) {
    const { bcdb, carol, dan } = rental;
    this.plan = new DeploymentPlan({
      ...{ log: bcdb.log, owner: carol.id, controller: text(carol.device), at: bcdb.at },
      ...{ signers: [carol.id, dan.id], min: 2, header: { nonce: fakeId.hash(n) } },
    });
    this.#rental = rental;
    this.#n = n;
  }

  async propose(): Promise<void> {
    const { town, carol } = this.#rental;
    await town.put('grid.contract.1', carol.device, this.plan.header);
  }

  async agree(
    action: 'provision' | 'remove' = 'provision',
    dansKey: SigningKey = this.#rental.dan.device,
  ): Promise<void> {
    const { town, carol, dan } = this.#rental;
    await town.put('grid.approval.1', carol.device, this.plan.approval(carol.id, { action }));
    await town.put('grid.approval.1', dansKey, this.plan.approval(dan.id, { action }));
  }

  async lease(): Promise<void> {
    await this.#rental.town.put('grid.lease.1', this.#rental.carol.device, this.plan.lease(1));
  }

  async lock(): Promise<void> {
    const { town, bcdb, ada, carol, node } = this.#rental;
    const { arbiter: _arbiter, ...example } = examples['grid.lock.1'];
    const { price } = example;
    const parties = { farmer: ada.id, buyer: carol.id, slot: { role: 'shard', replica: 0 } };
    await town.put('grid.lock.1', ada.device, {
      ...{ ...example, id: fakeId.lock(this.#n), contract: this.plan.id, node: node.id },
      ...{ price: { ...price, amount: fakeId.amount(1) }, minFund: fakeId.amount(1) },
      ...{ ...parties, expiresMs: bcdb.at + 600_000 },
    });
    const { currency } = price;
    const money = { code: currency, name: 'Of the buyer', decimals: 2, issuer: carol.id };
    await town.put('grid.currency.1', carol.device, money);
    await town.put('grid.escrow.1', carol.device, {
      ...{ lock: fakeId.lock(this.#n), contract: this.plan.id, from: carol.id, currency },
      ...{ amount: fakeId.amount(10), expMs: bcdb.at + 600_000 },
    });
  }

  /** The farmer gives back all that the escrow holds. */
  async refund(): Promise<void> {
    const { town, ada } = this.#rental;
    await town.put('grid.refund.1', ada.device, { lock: fakeId.lock(this.#n) });
  }

  async slice(): Promise<void> {
    const { town, carol, node } = this.#rental;
    await town.put('grid.slice.1', carol.device, this.plan.slice(0, node.id, 1));
  }

  async place(): Promise<void> {
    await this.#place(1, [this.#rental.node.id]);
  }

  /** The contract ends, and so does what the node has of it. */
  async end(): Promise<void> {
    const { town, carol } = this.#rental;
    await this.agree('remove');
    await this.#place(2, []);
    const workload = fakeId.workload(this.plan.id, 'shard', 0);
    const value = { workload, revision: 1, reason: 'removed' } as const;
    await town.put('grid.tombstone.1', carol.device, value);
  }

  async #place(revision: number, nodes: readonly NodeId[]): Promise<void> {
    const { town, carol } = this.#rental;
    const placement = this.plan.placement(revision, nodes);
    const lock = fakeId.lock(this.#n);
    const items = placement.items.map((item) => ({ ...item, lock }));
    await town.put('grid.placement.1', carol.device, { ...placement, items });
  }
}

/** That the node verifies and runs the replica of a deal. */
function assertRuns(rental: Rental, follower: LightFollower, { plan }: Deal): void {
  const fold = foldOf(rental.bcdb, follower, rental.node.id);
  assert.deepEqual([...fold.refusals], []);
  const { at } = rental.bcdb;
  const now = { at, viewAgeSeconds: 0, isFirstStart: () => true, isLeaving: false };
  const one = desiredOf(fold, rental.node.id, now).get(fakeId.workload(plan.id, 'shard', 0));
  assert.equal(one?.be, 'run', JSON.stringify(one));
}

function seqsOf(arrivals: Iterable<LightArrival>): readonly number[] {
  return [...arrivals].map(({ seq }) => seq);
}

function ascending(all: readonly number[]): readonly number[] {
  return all.toSorted((a, b) => a - b);
}

/** The first feed of a reply, which is the reader's own. */
function own({ feeds }: TwistedReply): TwistedReply['feeds'][number] {
  const [feed] = feeds;
  assert.ok(feed !== undefined);
  return feed;
}

type Step = 'build' | 'install' | 'propose' | 'agree' | 'lease' | 'lock' | 'slice' | 'place';

test('a node can verify what it has to run, in whatever order it came about', async () => {
  const orders: readonly (readonly Step[])[] = [
    ['build', 'install', 'propose', 'agree', 'lease', 'lock', 'slice', 'place'],
    ['propose', 'agree', 'lease', 'build', 'install', 'lock', 'place', 'slice'],
    ['propose', 'build', 'agree', 'install', 'lease', 'slice', 'lock', 'place'],
  ];
  for (const steps of orders) {
    await using rental = await Rental.open();
    const deal = new Deal(rental, 1);
    for (const step of steps) {
      await (step === 'build' || step === 'install' ? rental[step]() : deal[step]());
    }
    await rental.tick();
    await using follower = await rental.follow();
    await follower.sync();
    assertRuns(rental, follower, deal);
    const seqs = seqsOf(follower.changes(0));
    assert.deepEqual(seqs, ascending(seqs), 'what comes in one round is in the order of the log');
  }
});

test('a node that was done with a contract hears what happened meanwhile when the next one comes', async () => {
  await using rental = await Rental.open();
  const { bcdb, town, dan } = rental;
  await rental.settle();
  const first = new Deal(rental, 1);
  for (const step of ['propose', 'agree', 'lease', 'lock', 'slice', 'place'] as const) {
    await first[step]();
  }
  await rental.tick();
  await using follower = await rental.follow();
  await follower.sync();
  assertRuns(rental, follower, first);
  await first.end();
  // Nothing is held for the lock any more: it was the last thing that ties the node to the contract.
  await first.refund();
  await rental.tick();
  await follower.sync();
  const cursor = [...follower.changes(0)].at(-1)?.arrived ?? 0;
  const fresh = keyOf('the next device of dan');
  const { keys, ...bot } = town.botOf(dan, [fresh]);
  const [former, next] = keys;
  assert.ok(former !== undefined && next !== undefined);
  const ended: RecordOf<'grid.bot.1'> = {
    ...bot,
    keys: [{ ...former, ended: 'compromised' }, next],
  };
  await town.put('grid.bot.1', dan.root, ended);
  await rental.tick();
  await follower.sync();
  assert.deepEqual(seqsOf(follower.changes(cursor)), [], 'Dan is nothing to the node any more');
  const second = new Deal(rental, 2);
  await second.propose();
  await second.agree('provision', fresh);
  for (const step of ['lease', 'lock', 'slice', 'place'] as const) await second[step]();
  await rental.tick();
  await follower.sync();
  assertRuns(rental, follower, second);
  const spans = foldOf(rental.bcdb, follower, rental.node.id).bot(dan.id)?.keys ?? [];
  const isKnown = spans.some(({ key, compromised }) => {
    return key === former.key && compromised !== undefined;
  });
  assert.ok(isKnown, 'the key that was ended meanwhile');
  const came = [...follower.changes(cursor)];
  const names = came.flatMap(({ changes }) => changes.map(({ url, obj }) => `${url} ${obj}`));
  assert.equal(names.filter((name) => name === `grid.bot.1 ${dan.id}`).length, 1);
  assert.ok(came.every(({ arrived }, n) => arrived > (came[n - 1]?.arrived ?? cursor)));
  const again = await rental.follow('again');
  await using fromNothing = again;
  await fromNothing.sync();
  assertRuns(rental, fromNothing, second);
  assert.deepEqual(
    ascending(seqsOf(fromNothing.changes(0))),
    ascending(seqsOf(follower.changes(0))),
  );
  await using full = await follow(join(rental.folder, 'full'), bcdb);
  await sameState(full, bcdb);
});

test('antecedents that are withheld, changed, moved or passed off as others are caught', async () => {
  await using rental = await Rental.open();
  const { source, bcdb } = rental;
  await rental.settle();
  const deal = new Deal(rental, 1);
  for (const step of ['propose', 'agree', 'lease', 'lock', 'slice', 'place'] as const) {
    await deal[step]();
  }
  await rental.tick();
  const leafHashes: Uint8Array[] = [];
  for await (const group of bcdb.read(0, bcdb.head.size)) {
    leafHashes.push(...group.map(({ leaf }) => treeHasher.leafHash(leaf)));
  }
  const firstOf = ({ items }: ReturnType<typeof own>): number =>
    items.findIndex(({ because }) => because !== undefined);
  const twists: Readonly<Record<string, (feed: ReturnType<typeof own>) => unknown>> = {
    'one is withheld': (feed) => feed.items.splice(firstOf(feed), 1),
    'all are withheld': (feed) => {
      feed.items = feed.items.filter(({ because }) => because === undefined);
    },
    'two change places': (feed) => {
      const [one] = feed.items.splice(firstOf(feed), 1);
      if (one !== undefined) feed.items.splice(firstOf(feed) + 1, 0, one);
    },
    'one comes twice': (feed) =>
      feed.items.splice(firstOf(feed), 0, ...feed.items.slice(firstOf(feed), firstOf(feed) + 1)),
    'one is passed off as a record that comes itself': (feed) => {
      delete feed.items[firstOf(feed)]?.because;
    },
    'a record is passed off as one': (feed) => {
      const at = feed.items.findIndex(({ because }) => because === undefined);
      const next = feed.items[at + 1];
      const item = feed.items[at];
      if (item !== undefined && next !== undefined) item.because = next.record.seq;
    },
    'they are needed for another record': (feed) => {
      for (const item of feed.items) if (item.because !== undefined) item.because += 1;
    },
    'they come behind the record': (feed) => {
      const because = feed.items[firstOf(feed)]?.because;
      const at = feed.items.findIndex(({ record }) => record.seq === because);
      const [record] = feed.items.splice(at, 1);
      if (record !== undefined) feed.items.splice(firstOf(feed), 0, record);
    },
    'log time of one is another': (feed) => {
      const item = feed.items[firstOf(feed)];
      if (item !== undefined) item.at += 1;
    },
    'another record of the log takes the place of one': (feed) => {
      const [item, other] = [feed.items[firstOf(feed)], feed.items.at(-1)];
      if (item !== undefined && other !== undefined) item.record = other.record;
    },
    'a payload is missing': (feed) => delete feed.items[firstOf(feed)]?.record.body,
  };
  for (const [what, twist] of Object.entries(twists)) {
    source.twist = (reply) => {
      twist(own(reply));
      // A source that lies shows at least that what it gives is in the log.
      return { ...reply, path: pathOf(reply, leafHashes) };
    };
    await using follower = await rental.follow(what);
    await assert.rejects(follower.sync(), { code: 'BCDB_FEED_INCOMPLETE' }, what);
    assert.deepEqual([...follower.changes(0)], [], what);
    source.twist = (reply) => reply;
    await follower.sync();
    assertRuns(rental, follower, deal);
  }
});

test('antecedents that fill more than one reply come whole, also to a store of an older form', async () => {
  await using rental = await Rental.open();
  const { town, carol, source } = rental;
  await rental.settle();
  const versions = Array.from({ length: feedItemsMax + 50 }, (_, n) => n);
  await Promise.all(
    versions.map((n) => {
      return town.put('grid.bot.1', carol.root, { ...town.botOf(carol), about: `${n}` });
    }),
  );
  const deal = new Deal(rental, 1);
  for (const step of ['propose', 'agree', 'lease', 'lock', 'slice', 'place'] as const) {
    await deal[step]();
  }
  await rental.tick();
  let replies = 0;
  source.twist = (reply) => {
    replies++;
    return reply;
  };
  const follower = await rental.follow();
  await follower.sync();
  assert.ok(replies > 1, 'more than one reply');
  const { epoch } = follower;
  const seqs = seqsOf(follower.changes(0));
  assert.ok(seqs.length > versions.length);
  assertRuns(rental, follower, deal);
  await follower.close();
  await using same = await rental.follow();
  assert.equal(same.epoch, epoch);
  assert.deepEqual(seqsOf(same.changes(0)), seqs);
  await same.close();
  const db = new DatabaseSync(join(rental.folder, 'node', 'feeds.sqlite'));
  db.exec('PRAGMA user_version = 0');
  db.close();
  await using anew = await rental.follow();
  assert.equal(anew.size, 0);
  assert.notEqual(anew.epoch, epoch);
  assert.equal(anew.head?.size, rental.bcdb.head.size, 'what it saw holds');
  await anew.sync();
  assert.deepEqual(seqsOf(anew.changes(0)), seqs);
});
