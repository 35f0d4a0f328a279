import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGridError, waitFor } from '@commongrid/base';
import { hasCode, ManualClock, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import type { ContractId, KeyText } from '@commongrid/model';
import { Bcdb } from '../src/bcdb.ts';
import { LeaseHolder } from '../src/presence/lease-holder.ts';
import type { LeaseDoor } from '../src/presence/lease-holder.ts';
import { renewal } from '../src/presence/renewal.ts';
import type { Renewal } from '../src/presence/renewal.ts';
import { keyOf, text, Town } from '../src/testing/feeds-town.ts';
import { doorOf, leaseOf, makeLease } from './support/lease-town.ts';

const owner = SigningKey.fromSeed(new Uint8Array(32).fill(7));
const ttlMs = 10_000;
const [one, two] = [keyOf('controller one'), keyOf('controller two')];

function leaseBy(key: SigningKey, fence: number) {
  return { holder: key.publicKey.text as KeyText, fence, ttlMs };
}

test('a lease is kept over a restart of the sequencer, and is as just renewed for rivals', async () => {
  await using folder = await tempFolder();
  const clock = new ManualClock(1_800_000_000_000);
  const open = () => Bcdb.open({ dataDir: folder.path, owner, clock });
  let town = await Town.found(await open());
  const name = await makeLease(town, [one, two]);
  const door = doorOf(() => town, one);
  let underWay = 0;
  const renew: LeaseDoor['renew'] = async (message, signal) => {
    underWay++;
    await door.renew(message, signal).finally(() => underWay--);
  };
  await using holder = await LeaseHolder.acquire({
    ...{ door: { ...door, renew }, key: one, log: town.bcdb.log, name, ttlMs, clock },
  });
  const remainingMs = (): number => town.bcdb.presence.lease(name)?.remainingMs ?? 0;
  /** Lets time pass, and each renewal be answered before it goes on. */
  const pass = async (ms: number): Promise<void> => {
    for (let passedMs = 0; passedMs < ms; passedMs += 1000) {
      await clock.advance(1000);
      await waitFor(() => underWay === 0, { what: 'an answer', timeoutMs: 60_000 });
    }
  };
  await pass(25_000);
  assert.equal(holder.isHeld(), true);
  assert.ok(remainingMs() > 0.6 * ttlMs);
  await town.bcdb.close();
  await clock.advance(3000);
  town = await Town.found(await open());
  await using _closing = { [Symbol.asyncDispose]: () => town.bcdb.close() };
  assert.equal(remainingMs(), ttlMs);
  const rival = { name, ...leaseBy(two, 2) };
  await assert.rejects(town.put('grid.lease.1', two, rival), hasCode('BCDB_LEASE_HELD'));
  // A small step of the clock is followed by log time, and nothing to a lease.
  clock.jump(9000);
  await assert.rejects(town.put('grid.lease.1', two, rival), hasCode('BCDB_LEASE_HELD'));
  await pass(25_000);
  assert.equal(holder.isHeld(), true);
  assert.equal(leaseOf(town.bcdb, name)?.fence, 1);
  await holder.close();
  await clock.advance(ttlMs);
  await town.put('grid.lease.1', two, rival);
  assert.equal(holder.isHeld(), false);
});

test('of rivals who ask at one time one has the lease, and a release lets the next in', async () => {
  await using folder = await tempFolder();
  const clock = new ManualClock(1_800_000_000_000);
  await using bcdb = await Bcdb.open({ dataDir: folder.path, owner, clock });
  const town = await Town.found(bcdb);
  const name = await makeLease(town, [one, two]);
  const asked = await Promise.allSettled(
    [one, two].map((key) => town.put('grid.lease.1', key, { name, ...leaseBy(key, 1) })),
  );
  assert.deepEqual(asked.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  const refused = asked.find((result) => result.status === 'rejected');
  const reason: unknown = refused?.reason;
  assert.ok(isGridError(reason, 'BCDB_LEASE_HELD'), String(reason));
  assert.equal(reason.retryable, true);
  assert.equal(reason.details['remainingMs'], ttlMs);
  const first = leaseOf(bcdb, name);
  assert.ok(first !== undefined);
  const [holder, other] = first.holder === one.publicKey.text ? [one, two] : [two, one];
  const release = { ...first, isReleased: true };
  await assert.rejects(town.put('grid.lease.1', other, release), hasCode('BCDB_RULE_BROKEN'));
  await town.put('grid.lease.1', holder, release);
  await town.put('grid.lease.1', other, { name, ...leaseBy(other, 2) });
  // Nobody takes it again within its ttl: the same key may be that of another process.
  const again = town.put('grid.lease.1', other, { name, ...leaseBy(other, 3) });
  await assert.rejects(again, hasCode('BCDB_LEASE_HELD'));
  const stranger = keyOf('stranger');
  await clock.advance(ttlMs);
  const strange = town.put('grid.lease.1', stranger, { name, ...leaseBy(stranger, 3) });
  await assert.rejects(strange, hasCode('BCDB_RULE_BROKEN'));
});

test('a renewal counts once, from the holder, under the newest fence, within the ttl', async () => {
  await using folder = await tempFolder();
  const clock = new ManualClock(1_800_000_000_000);
  await using bcdb = await Bcdb.open({ dataDir: folder.path, owner, clock });
  const town = await Town.found(bcdb);
  const name = await makeLease(town, [one, two]);
  const { presence, log } = bcdb;
  const send = (key: SigningKey, counter: number, other: Partial<Renewal> = {}) =>
    presence.renew(
      renewal.sign(key, { log, name, fence: 1, epoch: presence.epoch, counter, ...other }),
    );
  await assert.rejects(send(one, 1), hasCode('BCDB_LEASE_LOST'));
  await town.put('grid.lease.1', one, { name, ...leaseBy(one, 1) });
  await clock.advance(5000);
  await send(one, 1);
  assert.equal(presence.lease(name)?.remainingMs, ttlMs);
  await assert.rejects(send(one, 1), hasCode('BCDB_HEARTBEAT_STALE'));
  await assert.rejects(send(two, 2), hasCode('BCDB_SIGNATURE_INVALID'));
  await assert.rejects(send(one, 2, { fence: 2 }), hasCode('BCDB_LEASE_LOST'));
  await assert.rejects(send(one, 2, { log: 'A'.repeat(43) }), hasCode('BCDB_OTHER_LOG'));
  await assert.rejects(send(one, 2, { epoch: 'A'.repeat(22) }), hasCode('BCDB_EPOCH_OVER'));
  await clock.advance(ttlMs);
  await assert.rejects(send(one, 2), hasCode('BCDB_LEASE_LOST'));
  await town.put('grid.lease.1', two, { name, ...leaseBy(two, 2) });
  await assert.rejects(send(one, 3), hasCode('BCDB_LEASE_LOST'));
  await send(two, 1, { fence: 2 });
});

test('a contract that names a bot is acted for by the keys that the bot has now', async () => {
  await using folder = await tempFolder();
  const clock = new ManualClock(1_800_000_000_000);
  await using bcdb = await Bcdb.open({ dataDir: folder.path, owner, clock });
  const town = await Town.found(bcdb);
  const ada = await town.citizen('ada');
  const name = await makeLease(town, [], [ada.id]);
  const eve = await town.citizen('eve');
  const strange = town.put('grid.lease.1', eve.device, { name, ...leaseBy(eve.device, 1) });
  await assert.rejects(strange, ruleIs('LEASE_NOT_CONTROLLER'));
  const long = { ...leaseBy(ada.device, 1), ttlMs: 3_600_000 };
  await town.put('grid.lease.1', ada.device, { name, ...long });
  const send = (key: SigningKey, counter: number, fence = 1) => {
    const { presence, log } = bcdb;
    const says = { log, name, fence, epoch: presence.epoch, counter };
    return presence.renew(renewal.sign(key, says));
  };
  await send(ada.device, 1);
  // The key is replaced, as after a recovery.
  const next = keyOf('ada, next device');
  const record = town.botOf(ada, [next]);
  const keys = record.keys.map((own) => (own.key === text(next) ? own : { ...own, ...ended }));
  await town.put('grid.bot.1', ada.root, { ...record, keys });
  await assert.rejects(send(ada.device, 2), hasCode('BCDB_LEASE_LOST'));
  const again = town.put('grid.lease.1', ada.device, { name, ...leaseBy(ada.device, 2) });
  await assert.rejects(again, hasCode('BCDB_KEY_ENDED'));
  await town.put('grid.lease.1', next, { name, ...leaseBy(next, 2) });
  await send(next, 1, 2);
  const place = town.put('grid.placement.1', ada.device, {
    ...{ contract: name as string as ContractId, revision: 1, lease: name, fence: 2, items: [] },
    ...{ reason: 'initial', expMs: clock.nowMs() + 60_000 },
  });
  await assert.rejects(place, hasCode('BCDB_KEY_ENDED'));
});

const ended = { ended: 'retired' } as const;

function ruleIs(rule: string) {
  return (error: unknown): boolean => isGridError(error) && error.details['rule'] === rule;
}
