import { deepEqual, equal, ok } from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { ContractId, LeaseName, LockId, NodeId } from '../fields.ts';
import { recordTypes } from '../record-types.ts';
import type { RecordOf, RecordUrl } from '../record-types.ts';
import { contractIdOf } from '../records/contract.ts';
import { examples } from '../testing/examples.ts';
import { fakeId } from '../testing/ids.ts';
import { MemoryGrid } from '../testing/memory-grid.ts';
import { actor, botOf, keyEntry, proofOf } from '../testing/story.ts';
import type { Actor } from '../testing/story.ts';
import { antecedents } from './antecedents.ts';
import { concerns } from './concerns.ts';
import { nodeIdOf } from './keys.ts';
import { topicOf } from './topics.ts';

interface Said {
  readonly seq: number;
  readonly topic: string | undefined;
  /** What the next one like it takes the place of. */
  readonly slot: string | undefined;
}

/** A grid with the feeds of all readers, as sets of sequences. */
class Listeners {
  readonly grid = new MemoryGrid();
  readonly #feeds = new Map<string, Set<number>>();
  readonly #said: Said[] = [];

  put<Url extends RecordUrl>(url: Url, author: string, value: RecordOf<Url>): void {
    const obj = recordTypes.get(url)?.objectOf(value) ?? '';
    this.tell({ url, obj, author, value });
  }

  /** @returns whether it was taken */
  tell(record: { url: string; obj: string; author: string; value: unknown }): boolean {
    const ns = recordTypes.get(record.url)?.namespace ?? 'grid';
    const said = { ns, ...record };
    const needed = antecedents(this.grid, { ...said, at: this.grid.at });
    const before = (needed?.topics ?? []).flatMap((topic) => this.of(topic));
    const { code, readers } = this.grid.tell(said);
    if (code !== undefined) return false;
    const seq = this.#said.length;
    for (const reader of readers) {
      const feed = this.#feeds.get(reader) ?? new Set();
      if (needed?.readers?.has(reader) !== false) for (const one of before) feed.add(one);
      this.#feeds.set(reader, feed.add(seq));
    }
    const place = topicOf(said);
    const slot = place?.isReplaced === true ? `${record.url} ${record.obj}` : undefined;
    this.#said.push({ seq, topic: place?.topic, slot });
    return true;
  }

  /** What somebody needs who relies on a topic. */
  of(topic: string): readonly number[] {
    const all = this.#said.filter((one) => one.topic === topic);
    return all
      .filter(({ slot }, n) => slot === undefined || all.slice(n + 1).every((o) => o.slot !== slot))
      .map(({ seq }) => seq);
  }

  missing(reader: string, topic: string): readonly number[] {
    const feed = this.#feeds.get(reader);
    return this.of(topic).filter((seq) => feed?.has(seq) !== true);
  }

  heard(reader: string): number {
    return this.#feeds.get(reader)?.size ?? 0;
  }
}

/** Steps of a story in which anybody may say anything that the rules of identity allow. */
class Story {
  readonly heard = new Listeners();
  readonly people: readonly Actor[] = [1, 2, 3, 4].map(actor);
  readonly nodes: readonly NodeId[] = [1001, 1002, 1003].map((n) => nodeIdOf(fakeId.key(n)));
  readonly contracts: ContractId[] = [];
  #listed = new Map<string, readonly number[]>();
  #guards = new Map<string, readonly number[]>();
  #next = 1;

  begin(): this {
    for (const [n, who] of this.people.entries()) this.#bot(n, who);
    for (const [n, owner] of this.people.slice(0, 2).entries()) this.farm(n, owner);
    this.nodes.forEach((_, n) => this.install(n, n % 2));
    this.draft(2, 3, 0);
    return this;
  }

  person(n: number): Actor {
    return this.people[n % this.people.length] ?? actor(1);
  }

  node(n: number): NodeId {
    return this.nodes[n % this.nodes.length] ?? fakeId.node(1);
  }

  contract(n: number): ContractId {
    return this.contracts[n % this.contracts.length] ?? fakeId.contract(1);
  }

  farm(n: number, owner: Actor): void {
    const value = { ...examples['grid.farm.1'], id: fakeId.farm(n), owner: owner.id };
    this.heard.put('grid.farm.1', owner.device, { ...value, name: `farm-${n}` });
  }

  install(n: number, farm: number): void {
    const [id, key] = [this.node(n), fakeId.key(1001 + (n % this.nodes.length))];
    this.heard.put('grid.node.1', key, { ...examples['grid.node.1'], id, farm: fakeId.farm(farm) });
  }

  /** A bot lists a key that others may have named, or names keys that may recover it. */
  change(n: number, listed: number, guard: number): void {
    const who = this.person(n);
    const before = this.#listed.get(who.id) ?? [];
    this.#listed.set(who.id, [...before, listed]);
    this.#guards.set(who.id, [guard]);
    if (!this.#bot(n, who)) this.#listed.set(who.id, before);
  }

  /** A key that may asks for another root, and the bot may be quick to name other guardians. */
  recover(n: number, by: number, guard: number): void {
    const { grid } = this.heard;
    const { id, root: former } = this.person(n);
    const root = fakeId.key(500 + this.#next++);
    const rootProof = proofOf(grid, root, id);
    const key = fakeId.key(800 + by);
    const vote = { bot: id, action: 'replace' as const, root, rootProof, by: key };
    this.heard.put('grid.recovery.1', key, vote);
    if (guard > 2 && grid.current('grid.bot.1', id)?.root === former) this.change(n, by, guard);
  }

  draft(owner: number, signer: number, controller: number): void {
    const lines = [{ role: 'owner', signers: [this.person(signer).id], min: 1 }];
    const header = {
      ...examples['grid.contract.1'],
      ...{ owner: this.person(owner).id, controllers: [fakeId.key(800 + controller)], secrets: [] },
      ...{ nonce: fakeId.hash(this.#next++) },
      policy: { provision: lines, upgrade: lines, change: lines, remove: lines },
      ...(this.#next % 3 === 0 ? { replaces: this.contract(signer) } : {}),
    };
    this.heard.put('grid.contract.1', this.person(owner).device, header);
    this.contracts.push(contractIdOf(header));
  }

  approve(n: number, who: number): void {
    const { replaces: _none, ...rest } = examples['grid.approval.1'];
    const { id, device } = this.person(who);
    const value = { ...rest, contract: this.contract(n), signer: id, hash: fakeId.hash(n) };
    this.heard.put('grid.approval.1', device, value);
  }

  lease(n: number, holder: number): void {
    const key = fakeId.key(800 + holder);
    const value = { name: this.contract(n) as string as LeaseName, holder: key, ttlMs: 5000 };
    this.heard.put('grid.lease.1', key, { ...value, fence: this.#next++ });
  }

  slice(n: number, node: number, replica: number): void {
    const contract = this.contract(n);
    const workload = fakeId.workload(contract, 'shard', replica);
    const value = { ...examples['grid.slice.1'], contract, workload, node: this.node(node) };
    this.heard.put('grid.slice.1', fakeId.key(800), { ...value, revision: this.#next++ });
  }

  place(n: number, nodes: readonly number[]): void {
    const items = nodes.map((node, replica) => {
      return { role: 'shard', replica, node: this.node(node), slice: fakeId.hash(1) };
    });
    const contract = this.contract(n);
    const lease = contract as string as LeaseName;
    const value = { contract, lease, revision: this.#next++, fence: 1, items };
    const reason = 'heal' as const;
    this.heard.put('grid.placement.1', fakeId.key(800), { ...value, reason, expMs: 1 });
  }

  lock(n: number, node: number, farmer: number): LockId {
    const { arbiter: _none, ...example } = examples['grid.lock.1'];
    const id = fakeId.lock(this.#next++);
    const value = { ...example, id, contract: this.contract(n), node: this.node(node) };
    const [who, buyer] = [this.person(farmer), this.person(farmer + 1)];
    const expiresMs = this.heard.grid.at + 600_000;
    const parties = { farmer: who.id, buyer: buyer.id, expiresMs };
    this.heard.put('grid.lock.1', who.device, { ...value, ...parties });
    return id;
  }

  fund(lock: LockId): void {
    this.heard.put('grid.escrow.1', fakeId.key(1), { ...examples['grid.escrow.1'], lock });
  }

  bury(n: number, replica: number): void {
    const workload = fakeId.workload(this.contract(n), 'shard', replica);
    const value = { workload, revision: this.#next++, reason: 'replaced' as const };
    this.heard.put('grid.tombstone.1', fakeId.key(800), value);
  }

  /** A policy of a contract that replaces another reaches further than anybody relies on it. */
  govern(n: number, who: number): void {
    if (this.heard.grid.current('grid.contract.1', this.contract(n))?.replaces !== undefined)
      return;
    const value = { write: [{ role: 'owner', signers: [this.person(who).id], min: 1 }] };
    const obj = `object/grid.contract.1/${this.contract(n)}`;
    this.heard.tell({ url: 'bcdb.policy.1', obj, author: fakeId.key(1), value });
  }

  /** That each node has all of what would reach it from now on. */
  check(): void {
    const { grid } = this.heard;
    const common = { ns: 'grid', author: fakeId.key(5), at: grid.at, value: undefined };
    for (const { id } of this.people) this.#check(id, { ...common, url: 'grid.bot.1', obj: id });
    for (const contract of this.contracts) {
      this.#check(contract, { ...common, url: 'grid.placement.1', obj: contract });
    }
    for (const obj of [0, 1].map(fakeId.farm)) {
      this.#check(obj, { ...common, url: 'grid.farm.1', obj });
    }
  }

  #check(topic: string, change: Parameters<typeof concerns>[1]): void {
    for (const reader of concerns(this.heard.grid, change)) {
      if (!reader.startsWith('node:')) continue;
      deepEqual(this.heard.missing(reader, topic), [], `${reader} lacks of ${topic}`);
    }
  }

  #bot(n: number, who: Actor): boolean {
    const { grid } = this.heard;
    const entries = (this.#listed.get(who.id) ?? []).map((key) => {
      return keyEntry(grid, who.id, fakeId.key(800 + key), 'controller');
    });
    const keys = [...new Map(entries.map((entry) => [entry.key, entry])).values()];
    const guards = (this.#guards.get(who.id) ?? []).map((guard) => fakeId.key(800 + guard));
    const value = botOf(grid, who, `bot-${n % this.people.length}`, {
      keys: [keyEntry(grid, who.id, who.device, 'device'), ...keys],
      ...(guards.length === 0 ? {} : { recovery: { threshold: 1, keys: guards } }),
      about: `${this.#next++}`,
    });
    return this.heard.tell({ url: 'grid.bot.1', obj: who.id, author: who.root, value });
  }
}

suite('antecedents', () => {
  const step = fc.tuple(fc.nat(14), fc.nat(5), fc.nat(5), fc.nat(3));

  test('a node has all of what further records would reach it for, whatever came before', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 40 }), (steps) => {
        const story = new Story().begin();
        const locks: LockId[] = [];
        for (const [what, a, b, c] of steps) {
          const acts = [
            () => story.change(a, b, c),
            () => story.change(b, c, a),
            () => story.draft(a, b, c),
            () => story.approve(a, b),
            () => story.lease(a, b),
            () => story.slice(a, b, c),
            () => story.slice(b, a, c),
            () => story.place(a, [b, c]),
            () => story.place(b, [c]),
            () => locks.push(story.lock(a, b, c)),
            () => (story.heard.grid.at += 400_000),
            () => story.fund(locks[a % locks.length] ?? fakeId.lock(0)),
            () => story.bury(a, c),
            () => (c > 1 ? story.govern(a, b) : story.install(a, b % 2)),
            () => story.recover(a, b, c),
          ];
          acts[what]?.();
          story.check();
        }
      }),
      { numRuns: 60 },
    );
  });

  test('what a node stopped relying on comes again in whole, and nothing before', () => {
    const story = new Story().begin();
    const { heard, nodes } = story;
    const [node = fakeId.node(1)] = nodes;
    const contract = story.contract(0);
    const owner = story.person(2);
    story.slice(0, 0, 0);
    deepEqual(heard.missing(node, contract), []);
    deepEqual(heard.missing(node, owner.id), []);
    story.bury(0, 0);
    const before = heard.heard(node);
    story.change(2, 5, 6);
    story.approve(0, 3);
    equal(heard.heard(node), before);
    ok(heard.missing(node, owner.id).length > 0);
    story.slice(0, 0, 0);
    deepEqual(heard.missing(node, owner.id), []);
    deepEqual(heard.missing(node, contract), []);
    story.bury(0, 0);
    story.change(2, 4, 6);
    story.place(0, [0]);
    deepEqual(heard.missing(node, owner.id), []);
  });

  test('of a placement only the newest comes, and of what others host nothing', () => {
    const story = new Story().begin();
    const { heard } = story;
    for (const nodes of [[0], [0, 1], [0]]) story.place(0, nodes);
    const placed = heard.of(story.contract(0)).length;
    equal(placed, 2, 'header and one placement');
    ok(heard.missing(story.node(2), story.contract(0)).length === placed);
    story.place(0, [0, 2]);
    deepEqual(heard.missing(story.node(2), story.contract(0)), []);
  });

  test('who has a place already is brought nothing again', () => {
    const story = new Story().begin();
    const { grid } = story.heard;
    story.place(0, [0]);
    const obj = story.contract(0);
    const value = grid.current('grid.placement.1', obj);
    const change = { url: 'grid.placement.1', obj, at: grid.at, value };
    equal(antecedents(grid, change), undefined);
    equal(antecedents(grid, { ...change, value: undefined }), undefined);
  });
});
