import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { seededRandom, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import { concerns, everyone, namesIn, recordTypes } from '@commongrid/model';
import type { Change, ConcernsView, ReaderId } from '@commongrid/model';
import { Bcdb } from '../src/bcdb.ts';
import { LightFollower } from '../src/follow/light-follower.ts';
import { checkRecord } from '../src/record/checked-record.ts';
import type { CheckedRecord } from '../src/record/checked-record.ts';
import type { TickRecord } from '../src/record/system-records.ts';
import { Town, TownSource } from './support/feeds-town.ts';
import type { Citizen, Machine } from './support/feeds-town.ts';

/** Each kind of record, by anybody who might make it; what the rules refuse does not matter. */
async function liveOn(town: Town, seed: string, steps: number): Promise<readonly ReaderId[]> {
  const random = seededRandom(seed);
  const pick = <T>(all: readonly [T, ...T[]]): T => all[random.int(0, all.length)] ?? all[0];
  const people = [];
  for (const name of ['ada', 'bob', 'carol', 'dan']) people.push(await town.citizen(name));
  const [ada, bob, carol, dan] = people as [Citizen, Citizen, Citizen, Citizen];
  const everybody = [ada, bob, carol, dan] as const;
  const farms = [
    { owner: ada, id: await town.farm(ada, 1) },
    { owner: bob, id: await town.farm(bob, 2) },
  ] as const;
  const machines: [Machine, ...Machine[]] = [await town.node(ada, farms[0].id, 'node 0')];
  for (let n = 1; n < 4; n++) {
    const { owner, id } = pick(farms);
    machines.push(await town.node(owner, id, `node ${n}`));
  }
  const contracts = [await town.contract(carol, [carol, dan], 1)] as [
    Awaited<ReturnType<Town['contract']>>,
  ];
  let next = 2;
  const actions: readonly [() => Promise<unknown>, ...(() => Promise<unknown>)[]] = [
    async () => contracts.push(await town.contract(pick(everybody), [pick(everybody)], next++)),
    () => town.lock(pick(farms).owner, pick(everybody), pick(contracts), pick(machines).id, next++),
    () => town.slice(carol, pick(contracts), pick(machines).id, random.int(0, 3), next++),
    () => town.place(carol, pick(contracts), [pick(machines).id, pick(machines).id], next++),
    () => town.event(pick(machines), pick(contracts), random.int(0, 3), next++),
    () => town.event(pick(machines), pick(contracts), random.int(0, 3), next++),
    () => {
      const who = pick(everybody);
      const about = `version ${next++}`;
      return town.put('grid.bot.1', who.root, { ...town.botOf(who), about });
    },
    () => {
      const { owner, id } = pick(farms);
      return town.put('grid.farm.1', owner.device, { ...town.farmOf(owner, id, 1), about: 'new' });
    },
    () => {
      const workload = `${pick(contracts)}/shard/${random.int(0, 3)}`;
      const value = { workload, revision: next++, reason: 'replaced' };
      return town.say('grid.tombstone.1', pick(everybody).device, workload, value);
    },
    () => {
      const name = pick(contracts);
      const value = {
        name,
        holder: pick(everybody).device.publicKey.text,
        fence: next++,
        ttlMs: 15_000,
      };
      return town.say('grid.lease.1', pick(everybody).device, name, value);
    },
    () => {
      const node = pick(machines).id;
      const value: JsonValue = { grants: [{ to: pick(everybody).id, rights: ['read'] }] };
      return town.bcdb.write({
        ns: 'grid',
        op: 'put',
        url: 'bcdb.acl.1',
        obj: `object/grid.grant.1/${node}`,
        value,
      });
    },
  ];
  let taken = 0;
  for (let step = 0; step < steps; step++) {
    await pick(actions)().then(
      () => taken++,
      () => undefined,
    );
  }
  assert.ok(taken > steps / 2, `only ${taken} of ${steps} were taken`);
  return [everyone, ...everybody.map(({ id }) => id), ...machines.map(({ id }) => id)];
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

  proposal(): Change | undefined {
    return undefined;
  }

  take({ envelope: { url, obj }, value }: CheckedRecord): void {
    const objects = this.#payloads.get(url) ?? new Map<string, unknown>();
    objects.set(obj, value);
    this.#payloads.set(url, objects);
  }
}

/** Sequences of each reader's records, by the rule alone. */
async function naiveFeeds(bcdb: Bcdb): Promise<Map<string, number[]>> {
  const view = new NaiveView();
  const feeds = new Map<string, number[]>();
  let at = bcdb.genesis.at;
  for await (const group of bcdb.read(0, bcdb.head.size)) {
    for (const entry of group) {
      const record = checkRecord(entry);
      const { ns, url, obj, author } = record.envelope;
      if (url === 'bcdb.tick.1') at = (record.value as TickRecord).at;
      for (const reader of concerns(view, { ns, url, obj, author, at, value: record.value })) {
        feeds.set(reader, [...(feeds.get(reader) ?? []), entry.seq]);
      }
      view.take(record);
    }
  }
  return feeds;
}

async function ticked(bcdb: Bcdb): Promise<void> {
  const { size } = bcdb.head;
  await waitFor(() => bcdb.head.size > size, { timeoutMs: 10_000, what: 'a tick' });
}

test('followers of all readers get exactly what concerns them, in several rounds', async () => {
  await using folder = await tempFolder();
  await using bcdb = await Bcdb.open({
    dataDir: join(folder.path, 'a'),
    owner: SigningKey.generate(),
  });
  const town = await Town.found(bcdb);
  const readers = await liveOn(town, 'town', 150);
  await ticked(bcdb);
  const trust = { log: bcdb.log, sequencerKey: bcdb.genesis.sequencer };
  const stranger = 'bot:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' as ReaderId;
  const feeds = await naiveFeeds(bcdb);
  for (const [index, reader] of [...readers, stranger].entries()) {
    await using follower = await LightFollower.open({
      ...{ dataDir: join(folder.path, `reader-${index}`), trust, reader },
      source: new TownSource(bcdb),
    });
    await follower.sync();
    follower.requireFresh(30);
    for (const feed of [reader, everyone] as const) {
      const got = [...follower.records(feed)].map(({ seq }) => seq);
      assert.deepEqual(got, feeds.get(feed) ?? [], feed);
    }
  }
  assert.ok([...feeds.values()].flat().length > 500);
  for (const url of recordTypes.keys()) void url;
});
