import assert from 'node:assert/strict';
import { test } from 'node:test';

import { GridError, waitFor } from '@commongrid/base';
import { ManualClock, tempFolder } from '@commongrid/base/testing';
import type { NodeId, WorkloadId } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';

import type { NodeStatement } from '../src/index.ts';
import type { MeteredReceipt } from '../src/receipts/meter.ts';
import { ReceiptSender } from '../src/receipts/receipt-sender.ts';
import { NodeState } from '../src/reconcile/node-state.ts';

const node = 'node:one' as NodeId;
const [web, other] = ['contract:a/web/0' as WorkloadId, 'contract:b/web/0' as WorkloadId];
const within = { timeoutMs: 60_000, everyMs: 5 };

function receipt(workload: WorkloadId, fromMs: number): MeteredReceipt {
  const memoryByteSeconds = fakeId.amount(0);
  const bytes = { diskBytes: 0, receivedBytes: 0, sentBytes: 0 };
  return {
    ...{ workload, lock: fakeId.lock(1), session: 1, healthySeconds: 1 },
    ...{ fromMs, toMs: fromMs + 1_000 },
    usage: { cpuSeconds: 0, memoryByteSeconds, ...bytes },
  };
}

function refusal(rule: string): GridError {
  return new GridError('BCDB_RULE_BROKEN', 'the rules refuse it', { details: { rule } });
}

test('receipts are told in their order until each was taken, and once', async () => {
  await using folder = await tempFolder('sender');
  using state = NodeState.open(folder.path);
  const clock = new ManualClock();
  for (const one of [receipt(web, 0), receipt(other, 0), receipt(web, 1_000)]) {
    state.receipts.add(one);
  }
  const log: string[] = [];
  const asked: string[] = [];
  const troubles = [
    new GridError('BASE_TIMEOUT', 'the answer is lost', { retryable: true }),
    new GridError('BCDB_UNREACHABLE', 'the database is gone', { retryable: true }),
  ];
  const say = async ({ obj, value }: NodeStatement): Promise<void> => {
    const { fromMs } = value as MeteredReceipt;
    const name = `${obj} ${fromMs}`;
    asked.push(name);
    if (log.includes(name)) throw refusal('RECEIPT_OVERLAPS');
    log.push(name);
    // The first one is taken, and its answer lost.
    const trouble = troubles.shift();
    if (trouble !== undefined) throw trouble;
  };
  await using sender = new ReceiptSender({ node, book: state.receipts, source: { say }, clock });
  await waitFor(
    async () => {
      await clock.advance(1_000);
      return state.receipts.waiting(0, 10).length === 0;
    },
    { ...within, what: 'all to be told' },
  );
  const wanted = [`${node}/${web} 0`, `${node}/${other} 0`, `${node}/${web} 1000`];
  assert.deepEqual(log, wanted);
  assert.equal(asked.filter((name) => name === wanted[0]).length, 2);
  state.receipts.add(receipt(web, 2_000));
  sender.poke();
  await waitFor(() => log.length === 4, { ...within, what: 'the next one' });
});

test('what the rules take later holds up its own workload alone', async () => {
  await using folder = await tempFolder('sender');
  using state = NodeState.open(folder.path);
  const clock = new ManualClock();
  const all = [receipt(web, 0), receipt(web, 1_000), receipt(other, 0), receipt(other, 1_000)];
  for (const one of all) state.receipts.add(one);
  const log: string[] = [];
  let isFull = true;
  const say = async ({ obj, value }: NodeStatement): Promise<void> => {
    const { workload, fromMs } = value as MeteredReceipt;
    // The next one of this workload would be taken, and this one then never.
    if (workload === web && fromMs === 0 && isFull) throw refusal('RECEIPT_TOO_MANY');
    // Nothing will ever make this one fit; what comes after it does.
    if (workload === other && fromMs === 0) throw refusal('RECEIPT_LOCK');
    log.push(`${obj} ${fromMs}`);
  };
  const sender = new ReceiptSender({ node, book: state.receipts, source: { say }, clock });
  await waitFor(() => log.length === 1, { ...within, what: 'the other workload' });
  assert.deepEqual(log, [`${node}/${other} 1000`]);
  assert.deepEqual(
    state.receipts.waiting(0, 10).map((one) => one.receipt.workload),
    [web, web],
  );
  isFull = false;
  // A node that closes tells what can be told.
  await sender.close();
  assert.deepEqual(log.slice(1), [`${node}/${web} 0`, `${node}/${web} 1000`]);
  assert.equal(state.receipts.waiting(0, 10).length, 0);
});
