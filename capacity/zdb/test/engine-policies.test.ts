import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { eraseKey } from '../src/engine/upkeep/erasure.ts';
import type { Namespace } from '../src/engine/namespace.ts';
import type { Store } from '../src/engine/store.ts';
import { openStore, testSeed } from './support/engine-crash.ts';

const KEYS = 12;
const ROUNDS = 25;
const STEPS = 50;
/** A few of them make a segment that is not compacted only because it stands beside another. */
const VALUE_BYTES = 60_000;

/** Random work on few keys, in segments of a few records, and what must be found afterwards. */
class PolicyLoad {
  readonly expected = new Map<string, string>();
  readonly #random: Random;
  #values = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  async step(store: Store, namespace: Namespace): Promise<void> {
    const key = `key-${this.#random.int(0, KEYS)}`;
    const dice = this.#random.int(0, 100);
    if (dice < 40) await this.#put(store, namespace, key);
    else if (dice < 65) await this.#delete(store, namespace, key);
    else if (dice < 72) this.#changePolicy(store, namespace);
    else if (dice < 80) store.log.rotate();
    else if (dice < 92) await this.#compactSome(store);
    else if (dice < 93) await store.maintenance.compactAll();
    else if (dice < 96) store.deletionsUpTo = this.#random.int(0, store.log.lastSequence + 1);
    else if (dice < 98) store.deletionsUpTo = Number.MAX_SAFE_INTEGER;
    else if (dice < 99) await store.maintenance.checkpoint();
    else await this.#erase(store, namespace, key);
    if (dice % 3 === 0) store.log.turn();
  }

  async #put(store: Store, namespace: Namespace, key: string): Promise<void> {
    const value = `value ${this.#values++} `.padEnd(VALUE_BYTES, '.');
    const bytes = Buffer.from(key + value);
    const { length } = key;
    const now = store.nowSeconds();
    const write = (): string => {
      return store.set(namespace, bytes, 0, length, length, value.length, now);
    };
    assert.equal(await store.retrying(write), 'written');
    this.expected.set(key, value);
  }

  async #delete(store: Store, namespace: Namespace, key: string): Promise<void> {
    const bytes = Buffer.from(key);
    const now = store.nowSeconds();
    const done = await store.retrying(() => store.delete(namespace, bytes, 0, bytes.length, now));
    assert.equal(done, this.expected.delete(key) ? 'deleted' : 'missing');
  }

  /** What is half dead, as it comes: older values of a key stay where less is to be won. */
  async #compactSome(store: Store): Promise<void> {
    store.maintenance.kick();
    await store.maintenance.checkpoint();
  }

  async #erase(store: Store, namespace: Namespace, key: string): Promise<void> {
    await eraseKey(store, namespace, Buffer.from(key));
    this.expected.delete(key);
  }

  #changePolicy(store: Store, namespace: Namespace): void {
    const keep = (['latest', 'all', 'versions', 'age'] as const)[this.#random.int(0, 4)];
    const history = { keep: keep ?? 'latest', limit: this.#random.int(1, 5) };
    store.putSettings({ ...namespace.settings, history });
  }

  /** What the store shows: every key by a lookup, and all of them by a scan. */
  async check(store: Store, message: string): Promise<void> {
    const namespace = store.namespaces.default;
    for (let i = 0; i < KEYS; i++) {
      const key = Buffer.from(`key-${i}`);
      const found = await store.retrying(() => store.lookup(namespace, key, 0, key.length));
      const value = found === 'live' ? store.value().toString() : undefined;
      assert.equal(value, this.expected.get(key.toString()), `${message}, ${key.toString()}`);
    }
    const { items } = await store.scan(namespace);
    const scanned = items.map((item) => item.key.toString()).sort();
    assert.deepEqual(scanned, [...this.expected.keys()].sort(), `${message}, scan`);
  }
}

test('deleted keys stay so under changing policies, compaction, erasures and starts', async () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  await using temp = await tempFolder('policies');
  let nowMs = 1_800_000_000_000;
  let monotonicMs = 0;
  const options = { nowMs: () => nowMs, monotonicMs: () => monotonicMs };
  const load = new PolicyLoad(random);
  for (let round = 0; round < ROUNDS; round++) {
    const store = await openStore(temp.path, options);
    const where = `GRID_TEST_SEED=${seed} round ${round}`;
    await load.check(store, `${where}, opened`);
    for (let step = 0; step < STEPS; step++) {
      await load.step(store, store.namespaces.default);
      // The clock goes back too.
      const passedMs = random.int(-3000, 20_000);
      nowMs += passedMs;
      monotonicMs += Math.max(0, passedMs);
    }
    await load.check(store, where);
    // Most starts build the index from entries: there an old value could come back.
    if (random.int(0, 4) > 0) {
      await store.maintenance.close();
      store.table.checkpoint = 0;
    }
    await store.close();
  }
});
