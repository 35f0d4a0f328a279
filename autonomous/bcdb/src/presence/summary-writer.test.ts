import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';
import type { NodeId, RecordOf } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';
import { SummaryWriter } from './summary-writer.ts';

const startMs = 1_800_000_000_000;

test('a heartbeat that comes while a summary is written is left to the next one', async () => {
  const clock = new ManualClock(startMs);
  const node: NodeId = fakeId.node(1);
  const told: RecordOf<'grid.presence.1'>[] = [];
  let beat = (): void => {};
  const writer = new SummaryWriter({
    clock,
    logger: silentLogger,
    everyMs: 3_600_000,
    gapMs: 3000,
    loggedToMs: () => told.at(-1)?.toMs ?? startMs,
    write: ({ payload }) => {
      told.push(JSON.parse(String(Buffer.from(payload ?? []))) as (typeof told)[number]);
      beat();
      return Promise.resolve();
    },
  });
  beat = () => writer.see(node, 1);
  beat();
  await clock.advance(1000);
  beat();
  writer.hurry(node);
  // The last heartbeat is older than what the summary could tell, and not so old that a gap begins.
  await clock.advance(3000);
  assert.deepEqual(
    told.map(({ fromMs, toMs }) => [fromMs - startMs, toMs - startMs]),
    [[0, 1000]],
  );
  await writer.close();
});
