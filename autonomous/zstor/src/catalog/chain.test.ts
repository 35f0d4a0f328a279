import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '@commongrid/base/testing';
import { checkMemberNames, chooseChain, firstState, follow } from './chain.ts';
import type { ChainState } from './chain.ts';
import { TlogCipher } from './tlog-cipher.ts';
import { makeRecord } from './tlog-record.ts';
import type { TlogKind, TlogRecord } from './tlog-record.ts';

const cipher = new TlogCipher(Buffer.alloc(32, 1), Buffer.alloc(16, 2));
const start = firstState([]);

function next(state: ChainState, kind: TlogKind, body: unknown, fence = 1): TlogRecord {
  const draft = {
    kind,
    epoch: kind === 'open' ? state.epoch + 1 : state.epoch,
    index: state.index + 1,
    prevHash: state.hash,
    body: Buffer.from(JSON.stringify(body)),
  };
  return makeRecord(cipher, draft, { fence, committed: state.index });
}

test('state follows openings, schema and members', () => {
  const members = [{ name: 'm', id: '00' }];
  const opened = follow(start, next(start, 'open', { fence: 1, schema: 2 }));
  const state = follow(opened, next(opened, 'members', members));
  assert.equal(state.epoch, 1);
  assert.equal(state.schema, 2);
  assert.deepEqual(state.membership, { index: 2, members });
});

test('chain takes the highest fence of what continues it, and ends where nothing does', () => {
  const low = next(start, 'changes', 'low', 1);
  const high = next(start, 'changes', 'high', 2);
  const afterLow = next(follow(start, low), 'changes', 'after low', 9);
  const afterHigh = next(follow(start, high), 'changes', 'after high', 2);
  assert.deepEqual(
    chooseChain(start, [
      [low, high],
      [afterLow, afterHigh],
    ]),
    [high, afterHigh],
  );
  assert.deepEqual(chooseChain(start, [[low, high], [afterLow]]), [high]);
  assert.deepEqual(chooseChain(start, [[], [afterHigh]]), []);
});

test('chain does not take a record of another epoch', () => {
  const record = { ...next(start, 'changes', 'x'), epoch: 1 };
  assert.deepEqual(chooseChain(start, [[record]]), []);
});

test('a log has an odd number of different members', () => {
  checkMemberNames(['a']);
  checkMemberNames(['a', 'b', 'c']);
  for (const names of [[], ['a', 'b'], ['a', 'a', 'b']]) {
    assert.throws(() => checkMemberNames(names), hasCode('ZSTOR_CATALOG_LOG_FOREIGN'));
  }
});
