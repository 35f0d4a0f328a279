import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { isGridError, seededRandom } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import { antecedents, concerns, everyone, namesIn, topicOf } from '@commongrid/model';
import type { Change, ConcernsView, ContractId, Lease, NodeId, ReaderId } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';
import { Bcdb } from '../src/bcdb.ts';
import { feedItemsMax } from '../src/feeds/feeds-reply.ts';
import { LightFollower } from '../src/follow/light-follower.ts';
import { checkRecord } from '../src/record/checked-record.ts';
import type { CheckedRecord } from '../src/record/checked-record.ts';
import type { TickRecord } from '../src/record/system-records.ts';
import { ticked, Town, TownSource } from '../src/testing/feeds-town.ts';
import type { Machine } from '../src/testing/feeds-town.ts';
import { follow, sameState } from './support/notes.ts';
import { proposeContract } from './support/proposed-contract.ts';

type Act = () => Promise<unknown>;

/** People, farms and nodes, and what any of them might say next. */
class Life {
  readonly readers: readonly ReaderId[];
  readonly #acts: readonly [Act, ...Act[]];
  readonly #random: Random;

  private constructor(
    readers: readonly ReaderId[],
    acts: readonly [Act, ...Act[]],
    random: Random,
  ) {
    this.readers = readers;
    this.#acts = acts;
    this.#random = random;
  }

  static async begin(town: Town, seed: string): Promise<Life> {
    const random = seededRandom(seed);
    const pick = <T>(all: readonly [T, ...T[]]): T => all[random.int(0, all.length)] ?? all[0];
    const ada = await town.citizen('ada');
    const bob = await town.citizen('bob');
    const carol = await town.citizen('carol');
    const people = [ada, bob, carol, await town.citizen('dan')] as const;
    const farms = [
      { owner: ada, id: await town.farm(ada, 1) },
      { owner: bob, id: await town.farm(bob, 2) },
    ] as const;
    const nodes: [Machine, ...Machine[]] = [await town.node(ada, farms[0].id, 'node 0')];
    for (let n = 1; n < 4; n++) {
      const { owner, id } = pick(farms);
      nodes.push(await town.node(owner, id, `node ${n}`));
    }
    const contracts: [ContractId, ...ContractId[]] = [await town.contract(carol, [carol], 1)];
    let next = 2;
    const node = (): NodeId => pick(nodes).id;
    /** Slices that somebody has, to tell events of. */
    const given: [NodeId, ContractId, number][] = [];
    const keep = (contract: ContractId, one: NodeId, replica: number): Promise<void> =>
      town.lock(town.farmerOf(one), town.planOf(contract).owner, contract, one, next++, replica);
    const slice = async (contract: ContractId, one: NodeId, replica: number): Promise<void> => {
      const { owner } = town.planOf(contract);
      await town.slice(owner, contract, one, replica, town.revisionOf(contract) + 1);
      given.push([one, contract, replica]);
    };
    const place = async (contract: ContractId, places: readonly NodeId[]): Promise<void> => {
      for (const [replica, one] of places.entries()) await keep(contract, one, replica);
      const { owner } = town.planOf(contract);
      await town.place(owner, contract, places, town.revisionOf(contract) + 1);
    };
    await slice(contracts[0], node(), 0);
    const event: Act = () => {
      const [one, contract, replica] = given[random.int(0, given.length)] ?? [];
      const machine = nodes.find(({ id }) => id === one);
      assert.ok(machine !== undefined && contract !== undefined);
      return town.event(machine, contract, replica ?? 0, next++);
    };
    const acts: readonly [Act, ...Act[]] = [
      event,
      event,
      async () => contracts.push(await town.contract(pick(people), [pick(people)], next++)),
      () => keep(pick(contracts), node(), random.int(0, 3)),
      () => slice(pick(contracts), node(), random.int(0, 3)),
      () => place(pick(contracts), [node(), node()]),
      () => {
        const who = pick(people);
        return town.put('grid.bot.1', who.root, { ...town.botOf(who), about: `${next++}` });
      },
      () => {
        const { owner, id } = pick(farms);
        const farm = { ...town.farmOf(owner, id, 1), about: `${next++}` };
        return town.put('grid.farm.1', owner.device, farm);
      },
      async () => {
        const who = pick(people);
        const contract = await town.contract(who, [who], next++);
        await slice(contract, node(), 0);
        await place(contract, [node()]);
        const { plan } = town.planOf(contract);
        const remove = plan.approval(who.id, { action: 'remove' });
        await town.put('grid.approval.1', who.device, remove);
        await place(contract, []);
        const workload = `${contract}/shard/0`;
        const value = { workload, revision: 1, reason: 'removed' };
        await town.say('grid.tombstone.1', who.device, workload, value);
      },
      async () => {
        const contract = pick(contracts);
        const { plan, owner } = town.planOf(contract);
        const name = { ns: 'grid', url: 'grid.lease.1', obj: contract };
        const { fence } = town.bcdb.state.document<Lease>(name)?.value ?? plan.lease(0);
        const release = plan.lease(fence, { isReleased: true });
        await town.put('grid.lease.1', owner.device, release);
        await town.put('grid.lease.1', owner.device, plan.lease(fence + 1));
      },
      () => {
        const value: JsonValue = { grants: [{ to: pick(people).id, rights: ['read'] }] };
        const obj = `object/grid.grant.1/${node()}`;
        return town.bcdb.write({ ns: 'grid', op: 'put', url: 'bcdb.acl.1', obj, value });
      },
    ];
    const readers = [
      everyone,
      ...people.map(({ id }) => id),
      ...nodes.map(({ id }) => id),
    ] as const;
    return new Life(readers, acts, random);
  }

  /** What the rules refuse does not matter, as long as it is not too much. */
  async goOn(steps: number): Promise<void> {
    let taken = 0;
    for (let step = 0; step < steps; step++) {
      const act = this.#acts[this.#random.int(0, this.#acts.length)];
      await act?.().then(
        () => taken++,
        (error: unknown) => assert.ok(isGridError(error), String(error)),
      );
    }
    assert.ok(taken > steps / 2, `only ${taken} of ${steps} were taken`);
  }
}

/** Records as somebody would read them who has no index and keeps everything. */
class NaiveView implements ConcernsView {
  readonly #payloads = new Map<string, Map<string, unknown>>();

  current(url: string, obj: string): never {
    return this.#payloads.get(url)?.get(obj) as never;
  }

  *naming(url: string, id: string): Iterable<string> {
    for (const [obj, value] of this.#payloads.get(url) ?? []) {
      if (namesIn(value).some((one) => one.id === id)) yield obj;
    }
  }

  holderOf(key: string): ReturnType<ConcernsView['holderOf']> {
    for (const [obj, value] of this.#payloads.get('grid.bot.1') ?? []) {
      const { root, keys } = value as { root: string; keys: { key: string }[] };
      if (root === key || keys.some((one) => one.key === key)) return obj as never;
    }
    const node = key.replace('ed25519:', 'node:');
    return this.#payloads.get('grid.node.1')?.has(node) === true ? (node as never) : undefined;
  }

  /** Nobody gives money back here. */
  isSettled(): boolean {
    return false;
  }

  proposal(): Change | undefined {
    return undefined;
  }

  take({ envelope: { url, obj }, value }: CheckedRecord): void {
    const objects = this.#payloads.get(url) ?? new Map<string, unknown>();
    objects.set(obj, value);
    this.#payloads.set(url, objects);
  }
}

/** Records of topics, as somebody keeps them who reads all of them again. */
class NaiveTopics {
  readonly #records: { topic: string; replaces: string | undefined; seq: number }[] = [];

  of(topics: readonly string[]): readonly number[] {
    const found = this.#records.filter(({ topic }) => topics.includes(topic));
    return found
      .filter(({ replaces }, index) => {
        const later = found.slice(index + 1);
        return replaces === undefined || later.every((one) => one.replaces !== replaces);
      })
      .map(({ seq }) => seq);
  }

  take(seq: number, { envelope: { ns, url, obj }, value }: CheckedRecord): void {
    const place = topicOf({ ns, url, obj, value });
    if (place === undefined) return;
    const { topic, isReplaced } = place;
    this.#records.push({ topic, replaces: isReplaced ? `${url} ${obj}` : undefined, seq });
  }
}

/** Sequences of each reader's records, by the rules alone. */
async function naiveFeeds(bcdb: Bcdb): Promise<Map<string, number[]>> {
  const view = new NaiveView();
  const topics = new NaiveTopics();
  const feeds = new Map<string, Set<number>>();
  let at = bcdb.genesis.at;
  for await (const group of bcdb.read(0, bcdb.head.size)) {
    for (const entry of group) {
      const record = checkRecord(entry);
      const { ns, url, obj, author } = record.envelope;
      if (url === 'bcdb.tick.1') at = (record.value as TickRecord).at;
      const said = { ns, url, obj, author, at, value: record.value };
      const needed = antecedents(view, said);
      for (const reader of concerns(view, said)) {
        const needs = needed?.readers?.has(reader) !== false;
        const before = needs ? topics.of(needed?.topics ?? []) : [];
        feeds.set(reader, new Set([...(feeds.get(reader) ?? []), ...before, entry.seq]));
      }
      view.take(record);
      topics.take(entry.seq, record);
    }
  }
  const ascending = (all: Set<number>): number[] => [...all].toSorted((a, b) => a - b);
  return new Map([...feeds].map(([reader, seqs]) => [reader, ascending(seqs)]));
}

/** A reader of whom nobody has heard. */
const stranger = `bot:${'A'.repeat(43)}` as ReaderId;

test('followers of all readers get exactly what concerns them, over restarts', async () => {
  await using folder = await tempFolder();
  const dataDir = join(folder.path, 'log');
  const owner = SigningKey.generate();
  await using bcdb = await Bcdb.open({ dataDir, owner });
  const town = await Town.found(bcdb);
  const life = await Life.begin(town, 'town');
  const trust = { log: bcdb.log, sequencerKey: bcdb.genesis.sequencer };
  const source = new TownSource(bcdb);
  const dirOf = (reader: ReaderId): string => join(folder.path, reader.replace('*', 'everyone'));
  for (let round = 0; round < 3; round++) {
    await life.goOn(60);
    await ticked(bcdb);
    const feeds = await naiveFeeds(bcdb);
    for (const reader of [...life.readers, stranger]) {
      const options = { dataDir: dirOf(reader), trust, reader, source };
      await using follower = await LightFollower.open(options);
      await follower.sync();
      follower.requireFresh(30);
      for (const feed of [reader, everyone] as const) {
        const got = [...follower.records(feed)].map(({ seq }) => seq);
        assert.deepEqual(got, feeds.get(feed) ?? [], `${feed} in round ${round}`);
      }
    }
    const lengths = [...feeds.values()].map(({ length }) => length);
    assert.ok(Math.min(...lengths) > 5, String(lengths));
  }
  await using full = await follow(join(folder.path, 'full'), bcdb);
  await sameState(full, bcdb);
});

test('a long feed comes in several replies, and what is current is the newest of it', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  await using bcdb = await Bcdb.open({ dataDir: join(folder.path, 'log'), owner });
  const town = await Town.found(bcdb);
  const ada = await town.citizen('ada');
  const node = await town.node(ada, await town.farm(ada, 1), 'node');
  const contract = await town.contract(ada, [ada], 1);
  await town.slice(ada, contract, node.id, 0);
  const numbers = Array.from({ length: feedItemsMax + 100 }, (_, index) => index + 1);
  await Promise.all(numbers.map((n) => town.event(node, contract, 0, n)));
  await ticked(bcdb);
  const source = new TownSource(bcdb);
  let replies = 0;
  source.twist = (reply) => {
    replies++;
    return reply;
  };
  const trust = { log: bcdb.log, sequencerKey: bcdb.genesis.sequencer };
  const dataDir = join(folder.path, 'light');
  await using follower = await LightFollower.open({ dataDir, trust, reader: ada.id, source });
  await follower.sync();
  assert.equal(replies, 2);
  const obj = `${node.id}/${contract}/shard/0`;
  const current = follower.current({ ns: 'grid', url: 'grid.event.1', obj });
  assert.ok(current !== undefined);
  assert.equal((current.value as { at: number }).at, feedItemsMax + 100);
  assert.equal(current.author, node.key.publicKey.text);
  assert.deepEqual([...follower.objects('grid', 'grid.event.1')], [current]);
});

test('an approval that completes a proposal brings the change, also to who had not heard of it', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  await using bcdb = await Bcdb.open({ dataDir: join(folder.path, 'log'), owner });
  const town = await Town.found(bcdb);
  const [ada, bob] = [await town.citizen('ada'), await town.citizen('bob')];
  const farm = await town.farm(ada, 1);
  const scope = `object/grid.farm.1/${farm}`;
  const lines = [{ role: 'owner', signers: [ada.id, bob.id], min: 2 }];
  const policy = { ns: 'grid', op: 'put', url: 'bcdb.policy.1', obj: scope } as const;
  await bcdb.write({ ...policy, value: { write: lines } });
  const { policySeq = -1 } =
    bcdb.policyFor({ ns: 'grid', op: 'put', url: 'grid.farm.1', obj: farm }) ?? {};
  const value = { ...town.farmOf(ada, farm, 1), about: 'agreed' };
  const schema = bcdb.schemaOf('grid', 'grid.farm.1') ?? '';
  const prev = bcdb.versionOf('grid', 'grid.farm.1', farm) ?? '';
  const exp = bcdb.at + 600_000;
  const change = { op: 'put', url: 'grid.farm.1', obj: farm, prev, schema, value };
  const said = { ...change, policySeq, exp } as unknown as JsonValue;
  const { version } = await town.say('bcdb.proposal.1', ada.device, 'p', said);
  const yes = { proposal: version, role: 'owner', verdict: 'approve', exp };
  await town.say('bcdb.approval.1', ada.device, 'yes-1', yes);
  const late = await town.node(ada, farm, 'late');
  await town.say('bcdb.approval.1', bob.device, 'yes-2', yes);
  await ticked(bcdb);
  const trust = { log: bcdb.log, sequencerKey: bcdb.genesis.sequencer };
  const source = new TownSource(bcdb);
  for (const reader of [late.id, ada.id, bob.id]) {
    const dataDir = join(folder.path, reader);
    await using follower = await LightFollower.open({ dataDir, trust, reader, source });
    await follower.sync();
    const current = follower.current({ ns: 'grid', url: 'grid.farm.1', obj: farm });
    assert.deepEqual(current?.value, JSON.parse(JSON.stringify(value)));
    assert.equal(current?.version, version);
    assert.equal(current?.author, ada.device.publicKey.text);
  }
  source.twist = (reply) => {
    for (const { items } of reply.feeds) for (const item of items) delete item.proposal;
    return reply;
  };
  const dataDir = join(folder.path, 'cheated');
  await using follower = await LightFollower.open({ dataDir, trust, reader: late.id, source });
  await assert.rejects(follower.sync(), { code: 'BCDB_FEED_INCOMPLETE' });
});

test('who proposed a change hears that it took effect', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  await using bcdb = await Bcdb.open({ dataDir: join(folder.path, 'log'), owner });
  const town = await Town.found(bcdb);
  const [ada, eve] = [await town.citizen('ada'), await town.citizen('eve')];
  const { plan } = town.planOf(await town.contract(ada, [ada], 1));
  const value = { ...plan.header, nonce: fakeId.hash(2) };
  const { name, agree } = await proposeContract(town, { by: eve, agreed: ada, value });
  await agree();
  await ticked(bcdb);
  const trust = { log: bcdb.log, sequencerKey: bcdb.genesis.sequencer };
  const source = new TownSource(bcdb);
  const dataDir = join(folder.path, 'eve');
  await using follower = await LightFollower.open({ dataDir, trust, reader: eve.id, source });
  await follower.sync();
  assert.deepEqual(follower.current(name)?.value, value);
});
