import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Bcdb } from '@commongrid/bcdb';
import { Town } from '@commongrid/bcdb/testing';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';

import { LogWatch } from './log-watch.ts';
import type { LogDoor } from './log-watch.ts';

type Head = Awaited<ReturnType<LogDoor['checkpoint']>>;

const { signal } = new AbortController();

const opened = new AsyncDisposableStack();
let town: Town;

before(async () => {
  const { path: dataDir } = opened.use(await tempFolder('log-watch'));
  const bcdb = opened.use(await Bcdb.open({ dataDir, owner: SigningKey.generate() }));
  town = await Town.found(bcdb);
  await town.citizen('ada');
});

after(() => opened.disposeAsync());

/** A new watch over the database, at a door that may lie. */
async function watched(work: (scene: Scene) => Promise<void>): Promise<void> {
  const door = new Door(town.bcdb);
  const { log, genesis } = town.bcdb;
  await using watch = await LogWatch.open({ log, genesis, door, signal });
  await work({ door, watch });
}

interface Scene {
  readonly door: Door;
  readonly watch: LogWatch;
}

class Door implements LogDoor {
  readonly #bcdb: Bcdb;
  /** What becomes of a head, and of the bytes of a leaf, on their way. */
  headOf: (head: Head) => Head = (head) => head;
  leafOf: (leaf: Uint8Array, seq: number) => Uint8Array = (leaf) => leaf;
  /** Entries that are shown. */
  shown = Infinity;

  constructor(bcdb: Bcdb) {
    this.#bcdb = bcdb;
  }

  async checkpoint(): Promise<Head> {
    const { size, root } = this.#bcdb.head;
    const text = root.toBase64({ alphabet: 'base64url', omitPadding: true });
    return this.headOf({ size, root: text });
  }

  async *entries(from: number, to: number) {
    for await (const group of this.#bcdb.read(from, Math.min(to, this.shown))) {
      yield group.map(({ seq, leaf, body }) => ({ leaf: this.leafOf(leaf, seq), body }));
    }
  }
}

test('a sound log is verified part by part, and what its records come to is known', async () => {
  await watched(async ({ watch }) => {
    const ada = await town.citizen('adam');
    await watch.follow();
    const { size } = watch;
    assert.ok(size > 0);
    assert.equal(watch.fold.current('grid.bot.1', ada.id)?.name, 'adam');
    const bob = await town.citizen('bob');
    await watch.follow();
    assert.ok(watch.size > size);
    assert.equal(watch.fold.current('grid.bot.1', bob.id)?.name, 'bob');
  });
});

test('a record of which one bit is another one is named', async () => {
  await watched(async ({ door, watch }) => {
    const bent = (await door.checkpoint()).size - 1;
    door.leafOf = (leaf, seq) => {
      const copy = Uint8Array.from(leaf);
      if (seq === bent) copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1;
      return copy;
    };
    await assert.rejects(watch.follow(), new RegExp(`^BrokenPromise: log: record ${bent}: BCDB_`));
  });
});

test('a head over other records than are shown is found', async () => {
  await watched(async ({ door, watch }) => {
    door.headOf = (head) => ({ ...head, root: 'A'.repeat(43) });
    await assert.rejects(watch.follow(), /come to .*, and A+ is signed/);
  });
});

test('records that were there and are there no more are missed', async () => {
  await watched(async ({ door, watch }) => {
    await watch.follow();
    door.headOf = ({ root }) => ({ size: 1, root });
    await assert.rejects(watch.follow(), /it had \d+ records, and has 1/);
  });
});

test('records that are signed and not shown are missed', async () => {
  await watched(async ({ door, watch }) => {
    door.shown = 3;
    await assert.rejects(watch.follow(), /record 3 of \d+ is not shown/);
  });
});

test('the genesis of another log is not taken', async () => {
  await watched(async ({ door }) => {
    const { genesis } = town.bcdb;
    const other = LogWatch.open({ log: 'A'.repeat(43), genesis, door, signal });
    await assert.rejects(other, /and bots trust A+/);
  });
});
