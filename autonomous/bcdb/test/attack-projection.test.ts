import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';
import { ProjectionService } from '../src/projection/projection-service.ts';
import type { EffectBatch } from '../src/state/effect.ts';
import { EffectLog } from './projection-fixture.ts';

test('a projection that hears of records while it reads an older end of the log goes on', async () => {
  await using folder = await tempFolder();
  const log = new EffectLog();
  for (let index = 0; index < 10; index++) log.put('a.note.1', `n${index}`, { index });
  let reads = 0;
  const opened = Promise.withResolvers<ProjectionService>();
  // The log grows by a batch after its end was looked up, and before the reader is told that end.
  async function* catchUp(from: number): AsyncGenerator<EffectBatch> {
    const end = log.size;
    reads++;
    if (reads === 2) {
      log.put('a.note.1', 'late', { index: 10 });
      const service = await opened.promise;
      await service.apply(log.batch(end));
    }
    if (from < end) yield log.batch(from, end);
  }
  {
    await using first = await ProjectionService.open({ folder: folder.path, catchUp });
    await first.waitFor(9);
  }
  await using second = await ProjectionService.open({ folder: folder.path, catchUp });
  opened.resolve(second);
  await second.waitFor(10);
  assert.equal(second.appliedSize, 11);
});
