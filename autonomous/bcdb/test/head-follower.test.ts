import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { waitFor } from '@commongrid/base';
import { ManualClock, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { Bcdb } from '../src/bcdb.ts';
import { HttpHeadSource } from '../src/client.ts';
import { BcdbFolder } from '../src/config.ts';
import { loadIdentity } from '../src/genesis-file.ts';
import { HeadFollower } from '../src/index.ts';
import { serveTeam } from './http-fixture.ts';
import { evidenceIn } from './support/evidence.ts';
import { ForgedLog } from './support/forged-log.ts';

interface Answer {
  checkpoint: string;
  consistency: readonly string[];
}

/** A log whose time stands still until a test moves it, and a source that a test can make lie. */
class World {
  readonly folder: string;
  readonly bcdb: Bcdb;
  readonly clock: ManualClock;
  twist: (answer: Answer) => unknown = (answer) => answer;

  private constructor(folder: string, bcdb: Bcdb, clock: ManualClock) {
    this.folder = folder;
    this.bcdb = bcdb;
    this.clock = clock;
  }

  static async open(t: TestContext): Promise<World> {
    const folder = await tempFolder('bcdb-heads');
    const clock = new ManualClock(1_800_000_000_000);
    const dataDir = join(folder.path, 'log');
    const bcdb = await Bcdb.open({ dataDir, owner: SigningKey.generate(), clock });
    t.after(async () => {
      await bcdb.close();
      await folder[Symbol.asyncDispose]();
    });
    const world = new World(folder.path, bcdb, clock);
    await world.grow(3);
    return world;
  }

  async grow(count: number): Promise<void> {
    for (let n = 0; n < count; n++) await this.bcdb.createNamespace(`ns-${this.bcdb.head.size}`);
  }

  /** The same log in the hands of a sequencer that lies. */
  async forge(): Promise<ForgedLog> {
    const { sequencerKey } = await loadIdentity(new BcdbFolder(join(this.folder, 'log')));
    return ForgedLog.after(this.bcdb, sequencerKey, () => this.clock.nowMs());
  }

  dirOf(name: string): string {
    return join(this.folder, name);
  }

  follow(name: string): Promise<HeadFollower> {
    const { log, genesis } = this.bcdb;
    const source = {
      head: async (size: number): Promise<unknown> => {
        const path = this.bcdb.consistencyProof(size, this.bcdb.head.size);
        const consistency = path.map((hash) => Buffer.from(hash).toString('base64url'));
        return this.twist({ checkpoint: this.bcdb.checkpoint(), consistency });
      },
      succession: async (): Promise<unknown> => this.bcdb.succession,
    };
    const trust = { log, sequencerKey: genesis.sequencer };
    return HeadFollower.open({ dataDir: this.dirOf(name), trust, source, clock: this.clock });
  }
}

test('a head follower knows the newest head, and goes on with it after a restart', async (t) => {
  const world = await World.open(t);
  const first = await world.follow('a');
  assert.equal(first.note, undefined);
  assert.throws(() => first.requireFresh(30), { code: 'BCDB_VIEW_STALE' });
  await first.sync();
  assert.equal(first.head?.size, world.bcdb.head.size);
  first.requireFresh(30);
  await world.grow(5);
  await first.sync();
  const { size } = world.bcdb.head;
  assert.equal(first.head?.size, size);
  await first.close();
  await using second = await world.follow('a');
  assert.equal(second.head?.size, size);
  await world.grow(2);
  await second.sync();
  assert.equal(second.head?.size, world.bcdb.head.size);
  assert.deepEqual((await readdir(world.dirOf('a'))).toSorted(), ['checkpoint', 'evidence']);
});

test('a head follower asks a server, with what it has seen', async (t) => {
  const served = await serveTeam(t);
  await using folder = await tempFolder('bcdb-heads');
  const { url, trust, bcdb } = served;
  const source = new HttpHeadSource({ url, log: trust.log });
  await using follower = await HeadFollower.open({ dataDir: folder.path, trust, source });
  await follower.sync();
  await bcdb.createNamespace('more');
  const { size: grown } = bcdb.head;
  await follower.sync();
  assert.ok((follower.head?.size ?? 0) >= grown);
  const stop = new AbortController();
  const following = follower.follow({ signal: stop.signal, everyMs: 20 });
  await bcdb.createNamespace('still-more');
  const { size } = bcdb.head;
  await waitFor(() => (follower.head?.size ?? 0) >= size, { what: 'the head', timeoutMs: 60_000 });
  stop.abort();
  await following;
  const { signal } = new AbortController();
  const ahead = await source.head(bcdb.head.size + 100, signal);
  assert.deepEqual((ahead as Answer).consistency, []);
});

test('a head that is frozen grows stale', async (t) => {
  const world = await World.open(t);
  await using follower = await world.follow('a');
  let frozen: Answer | undefined;
  world.twist = (answer) => (frozen ??= answer);
  await follower.sync();
  await world.clock.advance(31_000);
  world.twist = () => ({ ...frozen, consistency: [] });
  await follower.sync();
  assert.throws(() => follower.requireFresh(30), { code: 'BCDB_VIEW_STALE' });
  world.twist = (answer) => answer;
  await follower.sync();
  follower.requireFresh(30);
});

test('what a source may have done itself is passed over, and taken for no head', async (t) => {
  const world = await World.open(t);
  await using follower = await world.follow('a');
  let old: Answer | undefined;
  world.twist = (answer) => (old ??= answer);
  await follower.sync();
  world.twist = (answer) => answer;
  await world.grow(5);
  await follower.sync();
  const { head } = follower;
  await world.grow(3);
  for (const [code, twist] of [
    ['BCDB_LOG_ROLLED_BACK', () => old],
    ['BCDB_LOG_FORKED', (answer: Answer) => ({ ...answer, consistency: [] })],
    ['BCDB_NOTE_INVALID', (answer: Answer) => ({ ...answer, checkpoint: 'none' })],
    ['BCDB_REPLY_INVALID', () => 'busy'],
    ['BCDB_REPLY_INVALID', (answer: Answer) => ({ ...answer, consistency: [1] })],
    ['BCDB_REPLY_INVALID', () => null],
  ] as const) {
    world.twist = twist;
    await assert.rejects(follower.sync(), { code });
    assert.deepEqual(follower.head, head);
    assert.equal(follower.isHalted, false);
  }
  assert.throws(() => follower.requireFresh(1e9), { code: 'BCDB_NOTE_INVALID' });
  world.twist = (answer) => answer;
  await follower.sync();
  assert.equal(follower.head?.size, world.bcdb.head.size);
  assert.equal(follower.problem, undefined);
});

test('two heads that the sequencer cannot both have signed halt a head follower for good', async (t) => {
  const world = await World.open(t);
  for (const [name, code, cut] of [
    ['fork', 'BCDB_LOG_FORKED', 1],
    ['back', 'BCDB_LOG_ROLLED_BACK', 2],
  ] as const) {
    const follower = await world.follow(name);
    world.twist = (answer) => answer;
    await follower.sync();
    const honest = follower.note ?? '';
    await world.clock.advance(2000);
    const forged = await world.forge();
    forged.cut(cut + forged.size - (follower.head?.size ?? 0));
    const feedsRoot = Buffer.alloc(32).toString('base64url');
    forged.tick({ at: world.clock.nowMs(), feedsRoot, state: world.bcdb.digest });
    const checkpoint = await forged.checkpoint();
    world.twist = () => ({ checkpoint, consistency: [] });
    await assert.rejects(follower.sync(), { code });
    assert.equal(follower.isHalted, true);
    const kept = await evidenceIn(world.dirOf(name), code);
    for (const note of [honest, checkpoint]) {
      assert.ok(kept.includes(JSON.stringify(note).slice(1, -1)));
    }
    world.twist = (answer) => answer;
    await assert.rejects(follower.sync(), { code });
    await follower.close();
    await using again = await world.follow(name);
    assert.equal(again.isHalted, true);
    assert.equal(again.note, honest);
    assert.throws(() => again.requireFresh(1e9), { code });
    await assert.rejects(again.sync(), { code });
    await again.follow({ signal: new AbortController().signal });
  }
});

test('a folder of another log, or with a head that nobody signed, is not taken', async (t) => {
  const [world, other] = [await World.open(t), await World.open(t)];
  await using follower = await world.follow('a');
  await follower.sync();
  await using theirs = await other.follow('b');
  await theirs.sync();
  await writeFile(join(world.dirOf('a'), 'checkpoint'), theirs.note ?? '');
  await assert.rejects(world.follow('a'), { code: 'BCDB_OTHER_LOG' });
  const unsigned = (follower.note ?? '').replace(/\n\d+\n/, '\n999\n');
  await writeFile(join(world.dirOf('a'), 'checkpoint'), unsigned);
  await assert.rejects(world.follow('a'), { code: 'BCDB_CHECKPOINT_UNSIGNED' });
});
