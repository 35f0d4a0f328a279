import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Timer } from '@commongrid/base';
import { ManualClock, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { openNotes, writeNotes } from './support/notes.ts';

class CountingClock extends ManualClock {
  timers = 0;

  override setTimer(ms: number, fn: () => void): Timer {
    this.timers++;
    return super.setTimer(ms, fn);
  }
}

test('a clock that leaps stops appends until it is confirmed, without a busy loop', async () => {
  await using folder = await tempFolder();
  const clock = new CountingClock(1_800_000_000_000);
  await using bcdb = await openNotes({ dataDir: folder.path, owner: SigningKey.generate(), clock });
  await writeNotes(bcdb, 1);
  clock.jump(3_600_000);
  await assert.rejects(writeNotes(bcdb, 1, 'late'), { code: 'BCDB_CLOCK_JUMPED' });
  const before = clock.timers;
  await clock.advance(5000);
  assert.ok(clock.timers - before <= 20, `${clock.timers - before} timers in 5 s`);
  const { at } = bcdb;
  bcdb.confirmClock();
  await writeNotes(bcdb, 1, 'later');
  assert.ok(bcdb.at >= at + 3_600_000, 'log time follows the confirmed clock');
});
