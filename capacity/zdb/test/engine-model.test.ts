import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';
import fc from 'fast-check';
import type { HistoryPolicy, Namespace } from '../src/engine/namespace.ts';
import type { Store } from '../src/engine/store.ts';
import { differences, Journal, type PlainState } from '../src/testing/index.ts';
import { openStore } from './support/engine-crash.ts';

const RUNS = process.env['GRID_TEST_LONG'] === '1' ? 600 : 60;

/** A version of a key, the newest at the end; undefined is a deletion. */
type Versions = (string | undefined)[];

interface ModelNamespace {
  readonly keys: Map<string, Versions>;
  keep: HistoryPolicy['keep'];
}

/** What a store is: names, keys, versions. */
type Model = Map<string, ModelNamespace>;

interface Real {
  readonly root: string;
  store: Store;
}

type Command = fc.AsyncCommand<Model, Real>;

function fresh(): ModelNamespace {
  return { keys: new Map(), keep: 'latest' };
}

function namespaceOf(real: Real, name: string): Namespace {
  const found = real.store.namespaces.get(name);
  assert.ok(found !== undefined, `namespace ${name} is missing`);
  return found;
}

/** A command on a key of a namespace that the model has. */
abstract class KeyCommand implements Command {
  readonly name: string;
  readonly key: string;

  constructor(name: string, key: string) {
    this.name = name;
    this.key = key;
  }

  check(model: Readonly<Model>): boolean {
    return model.has(this.name);
  }

  async run(model: Model, real: Real): Promise<void> {
    const inside = model.get(this.name);
    assert.ok(inside !== undefined);
    const versions = inside.keys.get(this.key) ?? [];
    await this.apply(versions, namespaceOf(real, this.name), real.store);
    if (versions.length > 0) inside.keys.set(this.key, versions);
  }

  abstract apply(versions: Versions, namespace: Namespace, store: Store): Promise<void>;
  abstract toString(): string;
}

class SetCommand extends KeyCommand {
  readonly value: string;

  constructor(name: string, key: string, value: string) {
    super(name, key);
    this.value = value;
  }

  async apply(versions: Versions, namespace: Namespace, store: Store): Promise<void> {
    const key = Buffer.from(this.key);
    const all = Buffer.concat([key, Buffer.from(this.value)]);
    const length = all.length - key.length;
    const done = await store.retrying(() =>
      store.set(namespace, all, 0, key.length, key.length, length, store.nowSeconds()),
    );
    const isSame = versions.at(-1) === this.value;
    assert.equal(done, isSame ? 'same' : 'written');
    if (!isSame) versions.push(this.value);
  }

  toString(): string {
    return `set(${this.name}, ${this.key}, ${this.value.length} bytes ${this.value.slice(0, 8)})`;
  }
}

class DeleteCommand extends KeyCommand {
  async apply(versions: Versions, namespace: Namespace, store: Store): Promise<void> {
    const key = Buffer.from(this.key);
    const done = await store.retrying(() =>
      store.delete(namespace, key, 0, key.length, store.nowSeconds()),
    );
    const isThere = versions.at(-1) !== undefined;
    assert.equal(done, isThere ? 'deleted' : 'missing');
    if (isThere) versions.push(undefined);
  }

  toString(): string {
    return `delete(${this.name}, ${this.key})`;
  }
}

class LookupCommand extends KeyCommand {
  async apply(versions: Versions, namespace: Namespace, store: Store): Promise<void> {
    const key = Buffer.from(this.key);
    const found = await store.retrying(() => store.lookup(namespace, key, 0, key.length));
    const expected = versions.at(-1);
    assert.equal(found === 'live', expected !== undefined);
    if (expected !== undefined) assert.equal(store.value().toString(), expected);
    const isKnown = await store.retrying(() => store.lookupKey(namespace, key, 0, key.length));
    assert.equal(isKnown === 'live', expected !== undefined);
  }

  toString(): string {
    return `lookup(${this.name}, ${this.key})`;
  }
}

/** Walks the versions of a key back as far as they are kept. */
class HistoryCommand extends KeyCommand {
  override async run(model: Model, real: Real): Promise<void> {
    const inside = model.get(this.name);
    assert.ok(inside !== undefined);
    const versions = inside.keys.get(this.key) ?? [];
    const { store } = real;
    const key = Buffer.from(this.key);
    const namespace = namespaceOf(real, this.name);
    const found = await store.retrying(() => store.lookup(namespace, key, 0, key.length));
    if (found === 'absent') {
      // Only a deleted key may be forgotten whole, and only where no former version is kept.
      if (versions.length === 0) return;
      assert.equal(versions.at(-1), undefined);
      assert.equal(inside.keep, 'latest');
      return;
    }
    const { sequence } = store.reader;
    const kept: Versions = [];
    for (let at = sequence; at > 0;) {
      const record = await store.history.recordAt(at);
      if (record === undefined) break;
      assert.equal(record.key.toString(), this.key);
      kept.unshift(record.isDeletion ? undefined : record.value.toString());
      at = record.previous;
    }
    if (inside.keep === 'all') assert.deepEqual(kept, versions);
    else assert.deepEqual(kept, versions.slice(-kept.length));
    if (inside.keep === 'versions') assert.ok(kept.length >= Math.min(2, versions.length));
  }

  async apply(): Promise<void> {}

  toString(): string {
    return `history(${this.name}, ${this.key})`;
  }
}

/** A command on the store as a whole. */
class StoreCommand implements Command {
  readonly text: string;
  readonly isPossible: (model: Readonly<Model>) => boolean;
  readonly work: (model: Model, real: Real) => Promise<void>;

  constructor(
    text: string,
    isPossible: (model: Readonly<Model>) => boolean,
    work: (model: Model, real: Real) => Promise<void>,
  ) {
    this.text = text;
    this.isPossible = isPossible;
    this.work = work;
  }

  check(model: Readonly<Model>): boolean {
    return this.isPossible(model);
  }

  run(model: Model, real: Real): Promise<void> {
    return this.work(model, real);
  }

  toString(): string {
    return this.text;
  }
}

const always = (): boolean => true;

const STORE_COMMANDS = {
  reopen: new StoreCommand('reopen', always, async (model, real) => {
    await real.store.close();
    real.store = await openStore(real.root);
    assert.deepEqual(real.store.recovery, []);
    await expectEqual(model, real);
  }),
  turn: new StoreCommand('turn', always, async (_model, real) => real.store.log.turn()),
  sync: new StoreCommand('sync', always, (_model, real) => real.store.log.flush()),
  rotate: new StoreCommand('rotate', always, async (_model, real) => real.store.log.rotate()),
  compact: new StoreCommand('compact', always, (_model, real) => {
    return real.store.maintenance.compactAll();
  }),
  checkpoint: new StoreCommand('checkpoint', always, (_model, real) => {
    return real.store.maintenance.checkpoint();
  }),
  scan: new StoreCommand('scan', always, expectScans),
};

const NAMES = ['default', 'alpha', 'beta'];

function createCommand(name: string): StoreCommand {
  return new StoreCommand(
    `create(${name})`,
    (model) => !model.has(name),
    async (model, real) => {
      real.store.createNamespace(name, 'user');
      model.set(name, fresh());
    },
  );
}

function removeCommand(name: string): StoreCommand {
  return new StoreCommand(
    `remove(${name})`,
    (model) => model.has(name) && name !== 'default',
    async (model, real) => {
      real.store.removeNamespace(namespaceOf(real, name));
      model.delete(name);
    },
  );
}

function emptyCommand(name: string): StoreCommand {
  return new StoreCommand(
    `empty(${name})`,
    (model) => model.has(name),
    async (model, real) => {
      real.store.flushNamespace(namespaceOf(real, name));
      model.get(name)?.keys.clear();
    },
  );
}

function policyCommand(name: string, keep: HistoryPolicy['keep']): StoreCommand {
  return new StoreCommand(
    `keep(${name}, ${keep})`,
    // What went under another policy does not come back.
    (model) => model.get(name)?.keys.size === 0,
    async (model, real) => {
      const { settings } = namespaceOf(real, name);
      real.store.putSettings({ ...settings, history: { keep, limit: 2 } });
      const inside = model.get(name);
      if (inside !== undefined) inside.keep = keep;
    },
  );
}

function plain(model: Model): { state: PlainState; journal: Journal } {
  const state: PlainState = new Map();
  const journal = new Journal();
  for (const [name, { keys }] of model) {
    const content = new Map<string, Buffer>();
    for (const [key, versions] of keys) {
      const value = versions.at(-1);
      if (value !== undefined) content.set(key, Buffer.from(value));
      const effect = { kind: 'put', namespace: name, key, value: Buffer.alloc(0) } as const;
      journal.add({ from: 0, to: 1, effects: [effect] });
    }
    state.set(name, content);
  }
  return { state, journal };
}

async function expectEqual(model: Model, real: Real): Promise<void> {
  const { state, journal } = plain(model);
  assert.deepEqual(await differences(real.store, state, journal), []);
}

async function expectScans(model: Model, real: Real): Promise<void> {
  for (const [name, { keys }] of model) {
    const expected = [...keys].filter(([, versions]) => versions.at(-1) !== undefined);
    for (const isBackward of [false, true]) {
      const found: string[] = [];
      for (let last: number | undefined; ;) {
        const from = isBackward ? { before: last ?? Infinity } : { after: last ?? 0 };
        const options = { ...from, isBackward, limit: 3 };
        const page = await real.store.history.scan(namespaceOf(real, name), options);
        found.push(...page.items.map((item) => item.key.toString()));
        if (page.isEnd) break;
        last = page.last;
      }
      assert.deepEqual(found.toSorted(), expected.map(([key]) => key).toSorted(), name);
    }
  }
}

const name = fc.constantFrom(...NAMES);
const key = fc.integer({ min: 0, max: 11 }).map((i) => `key-${i}`);
/** Long enough for all ways of reading: in the turn, fetched, head only, kept out of the buffer. */
const value = fc.oneof(
  { weight: 8, arbitrary: fc.string({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 9 }).map((i) => `${i}`.repeat(20_000)) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 9 }).map((i) => `${i}`.repeat(90_001)) },
);
const policy = fc.constantFrom<HistoryPolicy['keep']>('latest', 'all', 'versions');

const commands = [
  fc.tuple(name, key, value).map(([n, k, v]) => new SetCommand(n, k, v)),
  fc.tuple(name, key, value).map(([n, k, v]) => new SetCommand(n, k, v)),
  fc.tuple(name, key).map(([n, k]) => new DeleteCommand(n, k)),
  fc.tuple(name, key).map(([n, k]) => new LookupCommand(n, k)),
  fc.tuple(name, key).map(([n, k]) => new HistoryCommand(n, k)),
  name.map(createCommand),
  name.map(removeCommand),
  name.map(emptyCommand),
  fc.tuple(name, policy).map(([n, p]) => policyCommand(n, p)),
  fc.constantFrom(...Object.values(STORE_COMMANDS)),
  fc.constantFrom(...Object.values(STORE_COMMANDS)),
];

test('store behaves as a plain map with versions, whatever is done to it', async () => {
  await using temp = await tempFolder('model');
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 150, size: 'max' }), async (list) => {
      const root = path.join(temp.path, String(run++));
      fs.mkdirSync(root);
      const real: Real = { root, store: await openStore(root) };
      const model: Model = new Map([['default', fresh()]]);
      try {
        await fc.asyncModelRun(() => ({ model, real }), list);
        await expectEqual(model, real);
        await expectScans(model, real);
        await real.store.close();
        real.store = await openStore(root);
        await expectEqual(model, real);
      } finally {
        await real.store.close();
        fs.rmSync(root, { recursive: true });
      }
    }),
    { numRuns: RUNS, interruptAfterTimeLimit: 600_000 },
  );
});
