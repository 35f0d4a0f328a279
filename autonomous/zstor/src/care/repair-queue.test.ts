import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RepairQueue } from './repair-queue.ts';

function idOf(no: number): Buffer {
  const id = Buffer.alloc(16);
  id.writeUInt32BE(no);
  return id;
}

function taken(queue: RepairQueue): number[] {
  const order: number[] = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) {
    order.push(Buffer.from(next.chunkId).readUInt32BE());
  }
  return order;
}

test('chunks that lost most are mended first, others in their order', () => {
  const queue = new RepairQueue();
  for (const [no, spare] of [
    [1, 3],
    [2, Infinity],
    [3, 0],
    [4, 3],
    [5, 1],
  ] as const) {
    queue.add(idOf(no), spare);
  }
  assert.deepEqual(taken(queue), [3, 5, 1, 4, 2]);
});

test('a chunk that is there already becomes more urgent, and keeps what is doubted of it', () => {
  const queue = new RepairQueue();
  queue.add(idOf(1), 2);
  queue.add(idOf(2), 4, [3]);
  queue.add(idOf(2), 0, [5]);
  queue.add(idOf(2), 7);
  assert.equal(queue.size, 2);
  const first = queue.take();
  assert.deepEqual(first?.chunkId, idOf(2));
  assert.deepEqual([...(first?.doubted ?? [])], [3, 5]);
});

test('a full queue leaves out what can wait longest, and says so', () => {
  const queue = new RepairQueue();
  for (let no = 0; no < 20_000; no++) queue.add(idOf(no), 4);
  assert.equal(queue.takeLeftOut(), false);
  queue.add(idOf(30_000), 4);
  queue.add(idOf(30_001), 1);
  assert.deepEqual([queue.size, queue.takeLeftOut(), queue.takeLeftOut()], [20_000, true, false]);
  assert.deepEqual(queue.take()?.chunkId, idOf(30_001));
});
