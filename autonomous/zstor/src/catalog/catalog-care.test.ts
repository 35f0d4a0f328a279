import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@commongrid/base/testing';
import { CatalogCare } from './catalog-care.ts';
import type { MemberState } from './log-head.ts';

class Cared {
  index = 100;
  snapshotIndex = 100;
  members: MemberState[] = [];
  snapshots = 0;
  canSnapshot = true;
  readonly replaced: string[] = [];

  get recordsSinceSnapshot(): number {
    return this.index - this.snapshotIndex;
  }

  async takeSnapshot(): Promise<void> {
    this.snapshots++;
    if (!this.canSnapshot) throw new Error('no room');
    this.snapshotIndex = this.index++;
  }

  async replaceMember(id: string, name: string): Promise<void> {
    this.replaced.push(`${id} ${name}`);
    this.members = [];
  }
}

test('care writes a snapshot after so many records, or so much time with any', async () => {
  const cared = new Cared();
  const clock = new ManualClock();
  const options = { snapshotEveryMs: 60_000, snapshotEveryRecords: 10 };
  const care = new CatalogCare(cared, options, clock);
  await care.look();
  cared.index += 9;
  await care.look();
  assert.equal(cared.snapshots, 0);
  cared.index += 1;
  await care.look();
  assert.equal(cared.snapshots, 1);
  await clock.advance(120_000);
  await care.look();
  assert.equal(cared.snapshots, 1, 'nothing was written since');
  cared.index += 1;
  await care.look();
  assert.equal(cared.snapshots, 2);
});

test('care counts the records that heads before wrote, each of them few', async () => {
  const cared = new Cared();
  const clock = new ManualClock();
  for (let heads = 0; heads < 5; heads++) {
    const care = new CatalogCare(cared, { snapshotEveryRecords: 10 }, clock);
    await care.look();
    cared.index += 2;
  }
  assert.equal(cared.snapshots, 0);
  await new CatalogCare(cared, { snapshotEveryRecords: 10 }, clock).look();
  assert.equal(cared.snapshots, 1);
});

test('care waits a minute after a snapshot that failed', async () => {
  const cared = new Cared();
  const clock = new ManualClock();
  const care = new CatalogCare(cared, { snapshotEveryRecords: 2 }, clock);
  await care.look();
  cared.index += 2;
  cared.canSnapshot = false;
  await assert.rejects(care.look(), { message: 'no room' });
  await care.look();
  assert.equal(cared.snapshots, 1);
  await clock.advance(60_000);
  await assert.rejects(care.look());
});

test('care gives the place of a member to a spare once it is out of step for ten seconds', async () => {
  const cared = new Cared();
  const clock = new ManualClock();
  const care = new CatalogCare(cared, { spare: ({ name }) => `not ${name}` }, clock);
  const well = {
    name: 'm',
    id: '1',
    isBound: true,
    completeTo: 1,
    problem: undefined,
    isWiped: false,
  };
  const lost = { ...well, problem: 'away' };
  cared.members = [lost];
  await care.look();
  await clock.advance(6_000);
  cared.members = [well];
  await care.look();
  cared.members = [lost];
  await clock.advance(6_000);
  await care.look();
  assert.deepEqual(cared.replaced, [], 'it was back in between');
  await clock.advance(10_000);
  await care.look();
  assert.deepEqual(cared.replaced, ['1 not m']);
});
