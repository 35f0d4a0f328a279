import assert from 'node:assert/strict';
import { cp, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { isGridError, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { everyone } from '@commongrid/model';
import type { ReaderId } from '@commongrid/model';
import { Bcdb } from '../src/bcdb.ts';
import { BcdbFolder } from '../src/config.ts';
import { HeadMemory } from '../src/client/head-memory.ts';
import { HeadFollower } from '../src/follow/head-follower.ts';
import type { HeadSource } from '../src/follow/head-source.ts';
import { LightFollower } from '../src/follow/light-follower.ts';
import { loadIdentity } from '../src/genesis-file.ts';
import { systemUrls } from '../src/record/system-records.ts';
import { toBase64url } from '../src/tree/base64.ts';
import { CheckpointSigner } from '../src/tree/checkpoint-signer.ts';
import { Town, TownSource } from '../src/testing/feeds-town.ts';
import { backUp, handOver, restoreOlder } from './support/handover-town.ts';

const owner = SigningKey.generate();

/** A stopped folder with a grid and one citizen. */
async function makeTown(dataDir: string): Promise<void> {
  await using bcdb = await Bcdb.open({ dataDir, owner });
  const town = await Town.found(bcdb);
  await town.citizen('anna');
}

/** A source of heads beside that of feeds. */
function headsOf(source: TownSource): HeadSource {
  return {
    async head(size) {
      const { bcdb } = source;
      const path = size === 0 ? [] : bcdb.consistencyProof(size, bcdb.head.size);
      return { checkpoint: bcdb.checkpoint(), consistency: path.map(toBase64url) };
    },
    succession: async () => source.bcdb.succession,
  };
}

/** Opens a folder, and adds a citizen. */
async function grow(t: TestContext, dataDir: string, name: string): Promise<Bcdb> {
  const bcdb = await Bcdb.open({ dataDir, owner });
  t.after(() => bcdb.close());
  await (await Town.found(bcdb)).citizen(name);
  return bcdb;
}

/** A round, once a tick tells of the feeds as they are. */
async function synced(follower: LightFollower): Promise<void> {
  await waitFor(
    () =>
      follower.sync().then(
        () => true,
        (error: unknown) => {
          if (isGridError(error, 'BCDB_BUSY')) return false;
          throw error;
        },
      ),
    { what: 'a tick', timeoutMs: 60_000 },
  );
}

test('a light follower goes on over two planned handovers, and after a restart', async (t) => {
  await using folder = await tempFolder();
  const [dataDir, light] = ['a', 'light'].map((name) => join(folder.path, name));
  assert.ok(dataDir !== undefined && light !== undefined);
  await makeTown(dataDir);
  const source = new TownSource(await grow(t, dataDir, 'bert'));
  const { log, genesis } = source.bcdb;
  const options = {
    dataDir: light,
    trust: { log, sequencerKey: genesis.sequencer },
    reader: everyone as ReaderId,
    source,
  };
  {
    await using follower = await LightFollower.open(options);
    await synced(follower);
    for (const name of ['cleo', 'dora']) {
      await source.bcdb.close();
      await handOver(dataDir, owner);
      source.bcdb = await grow(t, dataDir, name);
      await synced(follower);
      assert.equal(follower.problem, undefined);
    }
    const handovers = [...follower.objects('log', systemUrls.handover)];
    assert.equal(handovers.length, 1);
  }
  await using follower = await LightFollower.open(options);
  await synced(follower);
  assert.equal(follower.head?.size, source.bcdb.head.size);
  follower.requireFresh(30);
  await source.bcdb.close();
});

test('a light follower with more than a restored log says so once, and begins anew', async (t) => {
  await using folder = await tempFolder();
  const [dataDir, light, backup] = ['a', 'light', 'backup'].map((one) => join(folder.path, one));
  assert.ok(dataDir !== undefined && light !== undefined && backup !== undefined);
  await makeTown(dataDir);
  await backUp(dataDir, backup);
  const source = new TownSource(await grow(t, dataDir, 'lost'));
  const { log, genesis } = source.bcdb;
  const trust = { log, sequencerKey: genesis.sequencer };
  const options = { dataDir: light, trust, reader: everyone as ReaderId, source };
  const follower = await LightFollower.open(options);
  await synced(follower);
  const { size } = source.bcdb.head;
  await source.bcdb.close();
  const restored = await restoreOlder(folder.path, backup, owner);
  source.bcdb = await Bcdb.open({ dataDir: restored, owner });
  t.after(() => source.bcdb.close());
  await assert.rejects(synced(follower), { code: 'BCDB_HANDED_OVER' });
  assert.equal(follower.problem?.code, 'BCDB_HANDED_OVER');
  assert.throws(() => follower.requireFresh(30), { code: 'BCDB_HANDED_OVER' });
  await synced(follower);
  assert.equal(follower.problem, undefined);
  assert.equal(follower.isHalted, false);
  assert.ok((await readdir(light)).includes(`feeds.given-up-${size}.sqlite`));

  // The former sequencer comes back and signs on: nothing of it is taken.
  await cp(dataDir, join(folder.path, 'back'), { recursive: true });
  const back = await grow(t, join(folder.path, 'back'), 'late');
  const restoredBcdb = source.bcdb;
  source.bcdb = back;
  await assert.rejects(synced(follower));
  assert.ok(follower.problem !== undefined && !follower.isHalted);
  source.bcdb = restoredBcdb;
  await (await Town.found(restoredBcdb)).citizen('more');
  await synced(follower);
  await follower.close();

  // Killed between the two new names of its store.
  await rename(join(light, 'feeds.sqlite'), join(light, 'feeds.next.sqlite'));
  await using again = await LightFollower.open(options);
  assert.ok(again.size > 0);
  await synced(again);
  await restoredBcdb.close();
});

test('a light follower that a fork halted begins anew once a handover ends it', async (t) => {
  await using folder = await tempFolder();
  const [dataDir, light] = ['a', 'light'].map((one) => join(folder.path, one));
  assert.ok(dataDir !== undefined && light !== undefined);
  await makeTown(dataDir);
  const { sequencerKey } = await loadIdentity(new BcdbFolder(dataDir));
  const source = new TownSource(await grow(t, dataDir, 'bert'));
  const { log, genesis } = source.bcdb;
  const trust = { log, sequencerKey: genesis.sequencer };
  await using follower = await LightFollower.open({
    ...{ dataDir: light, trust, reader: everyone, source },
  });
  await synced(follower);
  const { size } = follower.head ?? assert.fail('it has no head');
  const other = { size, root: new Uint8Array(32) };
  const forged = new CheckpointSigner(sequencerKey, log).signAt(
    other,
    Math.floor(Date.now() / 1000),
  );
  source.twist = (reply) => ({ ...reply, checkpoint: forged });
  await assert.rejects(follower.sync(), { code: 'BCDB_LOG_FORKED' });
  assert.equal(follower.isHalted, true);
  await assert.rejects(follower.sync(), { code: 'BCDB_LOG_FORKED' });
  await source.bcdb.close();
  await handOver(dataDir, owner);
  source.bcdb = await grow(t, dataDir, 'cleo');
  source.twist = (reply) => reply;
  await assert.rejects(synced(follower), { code: 'BCDB_HANDED_OVER' });
  await synced(follower);
  assert.equal(follower.isHalted, false);
  assert.equal(follower.problem, undefined);
  await source.bcdb.close();
});

test('followers of a branch that was forked below a handover say so once, and begin anew', async (t) => {
  await using folder = await tempFolder();
  const [dataDir, fork, light, heads] = ['a', 'fork', 'light', 'heads'].map((one) =>
    join(folder.path, one),
  );
  assert.ok(dataDir !== undefined && fork !== undefined);
  assert.ok(light !== undefined && heads !== undefined);
  await makeTown(dataDir);
  await cp(dataDir, fork, { recursive: true });
  const source = new TownSource(await grow(t, fork, 'eve'));
  const { log, genesis } = source.bcdb;
  const trust = { log, sequencerKey: genesis.sequencer };
  await using follower = await LightFollower.open({
    ...{ dataDir: light, trust, reader: everyone, source },
  });
  await using head = await HeadFollower.open({ dataDir: heads, trust, source: headsOf(source) });
  await synced(follower);
  await head.sync();
  const memory = new HeadMemory({
    trust,
    lastNote: head.note,
    consistency: async (from, to) => source.bcdb.consistencyProof(from, to).map(toBase64url),
    succession: async () => source.bcdb.succession,
  });
  const forkSize = follower.head?.size ?? 0;
  await source.bcdb.close();
  for (const name of ['bert', 'cleo', 'dora']) await (await grow(t, dataDir, name)).close();
  await handOver(dataDir, owner);
  source.bcdb = await grow(t, dataDir, 'emil');
  assert.ok((source.bcdb.succession.handovers[0]?.statement.size ?? 0) > forkSize);

  const { size } = source.bcdb.head;
  const note = source.bcdb.checkpoint();
  for (const round of [
    () => synced(follower),
    () => head.sync(),
    () => memory.accept(note, undefined, undefined),
  ]) {
    await assert.rejects(round(), { code: 'BCDB_HANDED_OVER' });
    await round();
  }
  assert.equal(follower.problem, undefined);
  assert.equal(head.problem, undefined);
  assert.equal(memory.last?.head.size, size);
  assert.ok((await readdir(light)).includes(`feeds.given-up-${forkSize}.sqlite`));
  assert.ok((await readdir(heads)).includes('checkpoint.given-up'));
  await source.bcdb.close();
});
