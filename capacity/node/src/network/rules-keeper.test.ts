import assert from 'node:assert/strict';
import { test } from 'node:test';

import { GridError } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';

import { RulesKeeper } from './rules-keeper.ts';

test('rules are loaded anew every 30 s, also after it failed, and not any more once closed', async () => {
  const clock = new ManualClock();
  let loads = 0;
  const refreshRules = async (): Promise<void> => {
    loads++;
    if (loads === 2) throw new GridError('PAPER_BROKEN', 'nft is away');
  };
  await using keeper = new RulesKeeper({ network: { refreshRules }, clock });
  await clock.advance(0);
  assert.equal(loads, 1);
  for (let times = 2; times < 5; times++) {
    await clock.advance(29_000);
    assert.equal(loads, times - 1);
    await clock.advance(1_000);
    assert.equal(loads, times);
  }
  await keeper.close();
  await clock.advance(60_000);
  assert.equal(loads, 4);
});
