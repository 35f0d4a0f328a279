import type { Random } from '@commongrid/base';
import { recordBytes } from '../engine/log/format.ts';
import type { Namespace } from '../engine/namespace.ts';
import type { Store } from '../engine/store.ts';
import { applyEffect, type Effect, Journal, type PlainState } from './journal.ts';

/** Tries an operation until it needs no record that is not in memory. */
export async function untilFetched<T>(store: Store, operation: () => T | 'fault'): Promise<T> {
  for (;;) {
    const result = operation();
    if (result !== 'fault') return result;
    const { fault } = store.reader;
    if (fault === undefined) throw new Error('a fault without a record to fetch');
    store.reader.fetched.push(await store.reader.fetch(fault));
  }
}

export interface StoreLoadOptions {
  readonly store: Store;
  readonly random: Random;
  /** What the store holds already. */
  readonly journal?: Journal;
  /** Longest value, bytes; most are short. */
  readonly valueBytesMax?: number;
}

const NAMES = ['default', 'alpha', 'beta', 'gamma', 'delta'];
const KEYS = 40;

/** A random mix of all that changes a store, noted in a journal. */
export class StoreLoad {
  readonly store: Store;
  readonly journal: Journal;
  readonly #random: Random;
  readonly #valueBytesMax: number;
  readonly #state: PlainState;

  constructor(options: StoreLoadOptions) {
    this.store = options.store;
    this.#random = options.random;
    this.#valueBytesMax = options.valueBytesMax ?? 200_000;
    this.journal = options.journal ?? new Journal();
    this.#state = this.journal.stateAt(this.journal.lastSequence);
    const { lastSequence } = this.store.log;
    if (this.journal.lastSequence < lastSequence) {
      // The store made its default namespace by itself.
      this.#note(this.journal.lastSequence, [{ kind: 'empty', namespace: 'default' }]);
    }
  }

  #note(from: number, effects: readonly Effect[]): void {
    for (const effect of effects) applyEffect(this.#state, effect);
    this.journal.add({ from, to: this.store.log.lastSequence, effects });
  }

  /** A few operations and the write that ends a turn of the event loop. */
  async turn(): Promise<void> {
    const operations = this.#random.int(1, 7);
    for (let i = 0; i < operations; i++) await this.operation();
    this.store.log.turn();
  }

  async operation(): Promise<void> {
    const dice = this.#random.int(0, 100);
    if (dice < 60) await this.#set();
    else if (dice < 75) await this.#delete();
    else if (dice < 88) await this.#group();
    else if (dice < 94) this.#changeSettings();
    else this.#changeNamespaces();
    this.store.reader.fetched = [];
  }

  #namespace(): Namespace {
    const all = this.store.namespaces.list();
    return all[this.#random.int(0, all.length)] as Namespace;
  }

  #key(): string {
    return `key-${this.#random.int(0, KEYS)}`;
  }

  #value(): Buffer {
    const dice = this.#random.int(0, 20);
    const most = dice === 0 ? this.#valueBytesMax : dice < 4 ? 6000 : 300;
    return Buffer.from(
      this.#random.bytes(this.#random.int(0, Math.min(most, this.#valueBytesMax))),
    );
  }

  async #set(): Promise<void> {
    const namespace = this.#namespace();
    await this.put(namespace, this.#key(), this.#value());
  }

  async put(namespace: Namespace, key: string, value: Buffer): Promise<void> {
    const from = this.store.log.lastSequence;
    const { all, keyLength } = joined(key, value);
    await untilFetched(this.store, () => setNow(this.store, namespace, all, keyLength));
    this.#note(from, [{ kind: 'put', namespace: namespace.settings.name, key, value }]);
  }

  async #delete(): Promise<void> {
    const namespace = this.#namespace();
    const key = this.#key();
    const bytes = Buffer.from(key, 'latin1');
    const from = this.store.log.lastSequence;
    const { store } = this;
    await untilFetched(store, () =>
      store.delete(namespace, bytes, 0, bytes.length, store.nowSeconds()),
    );
    this.#note(from, [{ kind: 'delete', namespace: namespace.settings.name, key }]);
  }

  /** Several values that are there all or not at all. */
  async #group(): Promise<void> {
    const namespace = this.#namespace();
    const { store } = this;
    const keys = new Set(Array.from({ length: this.#random.int(2, 6) }, () => this.#key()));
    const parts = [...keys].map((key) => ({ key, value: this.#value() }));
    const bytes = parts.reduce(
      (sum, one) => sum + recordBytes(one.key.length, one.value.length),
      0,
    );
    const from = store.log.lastSequence;
    const effects: Effect[] = [];
    await store.log.together(bytes, parts.length, async () => {
      for (const { key, value } of parts) {
        const { all, keyLength } = joined(key, value);
        await untilFetched(store, () => setNow(store, namespace, all, keyLength));
        effects.push({ kind: 'put', namespace: namespace.settings.name, key, value });
      }
    });
    this.#note(from, effects);
  }

  #changeSettings(): void {
    const namespace = this.#namespace();
    const from = this.store.log.lastSequence;
    this.store.putSettings({ ...namespace.settings, password: `p${this.#random.int(0, 1000)}` });
    this.#note(from, [{ kind: 'settings', namespace: namespace.settings.name }]);
  }

  #changeNamespaces(): void {
    const { store } = this;
    const from = store.log.lastSequence;
    const name = NAMES[this.#random.int(0, NAMES.length)] as string;
    const namespace = store.namespaces.get(name);
    if (namespace === undefined) {
      store.createNamespace(name, 'user');
      this.#note(from, [{ kind: 'empty', namespace: name }]);
    } else if (this.#random.int(0, 3) > 0 || name === 'default') {
      store.flushNamespace(namespace);
      this.#note(from, [{ kind: 'empty', namespace: name }]);
    } else {
      store.removeNamespace(namespace);
      this.#note(from, [{ kind: 'remove', namespace: name }]);
    }
  }

  /** Makes the namespaces that the load begins with. */
  begin(): void {
    for (const name of NAMES.slice(1, 4)) {
      if (this.store.namespaces.get(name) !== undefined) continue;
      const from = this.store.log.lastSequence;
      this.store.createNamespace(name, 'user');
      this.#note(from, [{ kind: 'empty', namespace: name }]);
    }
    this.store.log.turn();
  }
}

function joined(key: string, value: Buffer): { all: Buffer; keyLength: number } {
  const bytes = Buffer.from(key, 'latin1');
  return { all: Buffer.concat([bytes, value]), keyLength: bytes.length };
}

function setNow(
  store: Store,
  namespace: Namespace,
  all: Buffer,
  keyLength: number,
): ReturnType<Store['set']> {
  const length = all.length - keyLength;
  return store.set(namespace, all, 0, keyLength, keyLength, length, store.nowSeconds());
}
