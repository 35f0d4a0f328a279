import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { hasCode, ManualClock, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import type { RecordOf } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';
import { Bcdb } from '../src/bcdb.ts';
import { heartbeat } from '../src/presence/heartbeat.ts';
import type { Heartbeat } from '../src/presence/heartbeat.ts';
import { unknownEpoch } from '../src/presence/signed-message.ts';
import { toBase64url } from '../src/tree/base64.ts';
import { Town } from '../src/testing/feeds-town.ts';
import type { Citizen, Machine } from '../src/testing/feeds-town.ts';

const startMs = 1_800_000_000_000;
const owner = SigningKey.fromSeed(new Uint8Array(32).fill(7));

interface Grid {
  readonly bcdb: Bcdb;
  readonly town: Town;
  readonly clock: ManualClock;
  readonly ada: Citizen;
  readonly nodes: readonly Machine[];
}

/** A grid with some nodes that have booted once. */
async function makeGrid(dataDir: string, count: number): Promise<Grid> {
  const clock = new ManualClock(startMs);
  const bcdb = await Bcdb.open({ dataDir, owner, clock });
  const town = await Town.found(bcdb);
  const ada = await town.citizen('ada');
  const farm = await town.farm(ada, 1);
  const nodes: Machine[] = [];
  for (let n = 0; n < count; n++) {
    const machine = await town.node(ada, farm, `shelf-${n}`);
    nodes.push(machine);
    await boot(town, machine, 1);
  }
  return { bcdb, town, clock, ada, nodes };
}

async function boot(town: Town, { id, key }: Machine, n: number, bootId = fakeId.nonce16(n)) {
  await town.put('grid.session.1', key, { node: id, n, bootId });
}

/** A heartbeat of the first session, with the present head, unless told otherwise. */
function beatOf(bcdb: Bcdb, { id }: Machine, counter: number, other: Partial<Heartbeat> = {}) {
  const { size, root } = bcdb.head;
  return {
    log: bcdb.log,
    node: id,
    session: 1,
    boot: fakeId.nonce16(1),
    epoch: bcdb.presence.epoch,
    counter,
    checkpoint: { size, root: toBase64url(root) },
    ...other,
  };
}

function send(bcdb: Bcdb, machine: Machine, counter: number, other: Partial<Heartbeat> = {}) {
  const bytes = heartbeat.sign(machine.key, beatOf(bcdb, machine, counter, other));
  return bcdb.presence.heartbeat(bytes);
}

function loggedOf(bcdb: Bcdb, { id }: Machine): RecordOf<'grid.presence.1'> | undefined {
  return bcdb.state.document<RecordOf<'grid.presence.1'>>({
    ...{ ns: 'grid', url: 'grid.presence.1', obj: id },
  })?.value;
}

test('a heartbeat counts when it is new, of this log, and signed by the node', async () => {
  await using folder = await tempFolder();
  const { bcdb, clock, nodes, town, ada } = await makeGrid(folder.path, 2);
  await using _closing = bcdb;
  const [one, two] = nodes;
  assert.ok(one !== undefined && two !== undefined);
  const { presence } = bcdb;
  const first = heartbeat.sign(one.key, beatOf(bcdb, one, 1));
  await presence.heartbeat(first);
  assert.equal(presence.get(one.id)?.standing, 'alive');
  assert.equal(presence.get(two.id), undefined);
  await assert.rejects(presence.heartbeat(first), hasCode('BCDB_HEARTBEAT_STALE'));
  const twice = heartbeat.sign(one.key, beatOf(bcdb, one, 2));
  const results = await Promise.allSettled([presence.heartbeat(twice), presence.heartbeat(twice)]);
  assert.deepEqual(results.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  await assert.rejects(send(bcdb, { ...one, key: two.key }, 3), hasCode('BCDB_SIGNATURE_INVALID'));
  const forged = heartbeat.sign(one.key, beatOf(bcdb, one, 3));
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
  await assert.rejects(presence.heartbeat(forged), hasCode('BCDB_SIGNATURE_INVALID'));
  await assert.rejects(send(bcdb, one, 3, { log: fakeId.hash(5) }), hasCode('BCDB_OTHER_LOG'));
  await assert.rejects(send(bcdb, one, 3, { epoch: unknownEpoch }), hasCode('BCDB_EPOCH_OVER'));
  await assert.rejects(send(bcdb, one, 3, { session: 2 }), hasCode('BCDB_NODE_UNKNOWN'));
  const stranger = fakeId.node(9);
  await assert.rejects(send(bcdb, one, 3, { node: stranger }), hasCode('BCDB_NODE_UNKNOWN'));
  await assert.rejects(presence.heartbeat(new Uint8Array(70)), hasCode('BCDB_REQUEST_INVALID'));
  await assert.rejects(presence.heartbeat(new Uint8Array(5000)), hasCode('BCDB_REQUEST_INVALID'));
  // A signature for records does not pass for one of a heartbeat.
  const payload = forged.subarray(0, -64);
  const other = Buffer.concat([payload, one.key.sign('commongrid/rec/1', payload)]);
  await assert.rejects(presence.heartbeat(other), hasCode('BCDB_SIGNATURE_INVALID'));
  const { checkpoint } = beatOf(bcdb, one, 9);
  await boot(town, one, 2);
  await assert.rejects(send(bcdb, one, 9, { checkpoint }), hasCode('BCDB_HEARTBEAT_STALE'));
  await send(bcdb, one, 1, { session: 2, boot: fakeId.nonce16(2) });
  assert.equal(presence.get(one.id)?.session, 2);
  const ended = { node: two.id, farm: fakeId.farm(1), standing: 'compromised' } as const;
  await town.put('grid.adoption.1', ada.device, ended);
  await assert.rejects(send(bcdb, two, 1), hasCode('BCDB_KEY_ENDED'));
  await clock.advance(10_000);
  assert.equal(presence.get(one.id)?.standing, 'gone');
});

test('a node that saw another log, or has a twin, leaves evidence and does not count', async () => {
  await using folder = await tempFolder();
  const { bcdb, nodes, town } = await makeGrid(folder.path, 1);
  await using _closing = bcdb;
  const [one] = nodes;
  assert.ok(one !== undefined);
  const { size } = bcdb.head;
  const forked = { checkpoint: { size, root: fakeId.hash(3) } };
  await assert.rejects(send(bcdb, one, 1, forked), hasCode('BCDB_FORKED_VIEW'));
  const ahead = { checkpoint: { size: size + 1, root: fakeId.hash(3) } };
  await assert.rejects(send(bcdb, one, 1, ahead), hasCode('BCDB_FORKED_VIEW'));
  assert.equal(bcdb.presence.get(one.id), undefined);
  const evidence = (): Promise<string[]> => readdir(join(folder.path, 'evidence'));
  await waitFor(async () => (await evidence()).length === 1, { what: 'it', timeoutMs: 60_000 });
  // An older machine with the same key, that has seen the newer session begin.
  await boot(town, one, 2);
  await assert.rejects(send(bcdb, one, 1), hasCode('BCDB_NODE_CLONED'));
});

test('the presence of a node is logged with its gaps, and at once when a placement ends', async () => {
  await using folder = await tempFolder();
  const { bcdb, town, clock, ada, nodes } = await makeGrid(folder.path, 2);
  await using _closing = bcdb;
  const [one, two] = nodes;
  assert.ok(one !== undefined && two !== undefined);
  const contract = await town.contract(ada, [ada], 1);
  await town.place(ada, contract, [one.id, two.id]);
  let counter = 0;
  const beats = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index++) {
      counter++;
      await Promise.all(nodes.map((machine) => send(bcdb, machine, counter)));
      await clock.advance(1000);
    }
  };
  const beganMs = clock.nowMs();
  await beats(10);
  await clock.advance(7000);
  await beats(10);
  assert.equal(loggedOf(bcdb, two), undefined);
  await town.place(ada, contract, [one.id], 2);
  await beats(3);
  const logged = await waitFor(() => loggedOf(bcdb, two), { what: 'presence', timeoutMs: 60_000 });
  assert.equal(logged.fromMs, beganMs);
  assert.deepEqual(logged.gaps, [{ fromMs: beganMs + 9000, toMs: beganMs + 17_000 }]);
  // It covers the time up to the end of the placement, and none that is not over.
  assert.ok(logged.toMs >= beganMs + 27_000 && logged.toMs <= bcdb.at, String(logged.toMs));
  assert.equal(loggedOf(bcdb, one), undefined);
  await bcdb.close();
  await using again = await Bcdb.open({ dataDir: folder.path, owner, clock });
  const last = loggedOf(again, two);
  assert.equal(last?.fromMs, logged.toMs, 'what follows begins where it ended');
  const all = loggedOf(again, one);
  assert.deepEqual([all?.fromMs, all?.gaps.length], [beganMs, 1]);
  // A new run of the sequencer takes everybody as just seen, and no word that was said before.
  assert.deepEqual(again.presence.counts(), { alive: 2, suspect: 0, gone: 0 });
  assert.equal(again.presence.get(one.id)?.isAssumed, true);
  const old = send(again, one, counter + 1, { epoch: bcdb.presence.epoch });
  await assert.rejects(old, hasCode('BCDB_EPOCH_OVER'));
  await clock.advance(3000);
  assert.deepEqual(again.presence.counts(), { alive: 0, suspect: 2, gone: 0 });
});

test('a node that was silent when a placement ended is told of once it is heard again', async () => {
  await using folder = await tempFolder();
  const { bcdb, town, clock, ada, nodes } = await makeGrid(folder.path, 1);
  await using _closing = bcdb;
  const [one] = nodes;
  assert.ok(one !== undefined);
  const contract = await town.contract(ada, [ada], 1);
  await town.place(ada, contract, [one.id]);
  let counter = 0;
  const beats = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index++) {
      await send(bcdb, one, ++counter);
      await clock.advance(1000);
    }
  };
  const told = (wanted: (toMs: number) => boolean, what: string) =>
    waitFor(
      async () => {
        const logged = loggedOf(bcdb, one);
        if (logged !== undefined && wanted(logged.toMs)) return logged;
        await clock.advance(1000);
        return undefined;
      },
      { what, timeoutMs: 60_000 },
    );
  await beats(5);
  const silentMs = clock.nowMs();
  await clock.advance(20_000);
  await town.place(ada, contract, [], 2);
  await told((toMs) => toMs < silentMs, 'its presence until it was silent');
  const backMs = clock.nowMs();
  await beats(4);
  const logged = await told((toMs) => toMs > backMs, 'its presence since it is back');
  assert.ok(logged.toMs < backMs + 60_000, 'not only in the next hour');
  // That was owed once.
  await beats(10);
  assert.equal(loggedOf(bcdb, one)?.toMs, logged.toMs);
});

test('presence is logged hourly without a hole, whatever small steps the clock makes', async () => {
  await using folder = await tempFolder();
  const { bcdb, clock, nodes } = await makeGrid(folder.path, 1);
  await using _closing = bcdb;
  const [one] = nodes;
  assert.ok(one !== undefined);
  const told: RecordOf<'grid.presence.1'>[] = [];
  const stop = bcdb.listen(({ effects }) => {
    for (const effect of effects) {
      if (effect.url !== 'grid.presence.1' || effect.kind !== 'put') continue;
      told.push(JSON.parse(String(Buffer.from(effect.payload ?? []))) as (typeof told)[number]);
    }
  });
  for (let counter = 1; counter <= 3 * 1200 + 5; counter++) {
    await send(bcdb, one, counter);
    // A time service corrects the clock; silence goes by the other one.
    if (counter % 400 === 0) clock.jump(counter % 800 === 0 ? 700 : -700);
    await clock.advance(3000);
  }
  await waitFor(() => told.length >= 3, { what: 'three summaries', timeoutMs: 60_000 });
  stop();
  for (const [index, { gaps, fromMs }] of told.entries()) {
    assert.deepEqual(gaps, []);
    if (index > 0) assert.equal(fromMs, told[index - 1]?.toMs);
  }
});
