import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ManualClock } from '@commongrid/base/testing';
import { fakeId } from '@commongrid/model/testing';
import { PlaceBook } from '../src/controller/place-book.ts';
import { fakeDirectory } from './support/fake-directory.ts';

const { signal } = new AbortController();
const [one, other] = [fakeId.contract(1), fakeId.contract(2)];
const node = fakeId.node(1);
const use = { node, cpuMilli: 3_000, memoryBytes: 0, ssdBytes: 0, hddBytes: 0, ipv4: 0 };

class Book {
  readonly clock = new ManualClock();
  readings = 0;
  readonly book = new PlaceBook(
    {
      directory: async () => {
        this.readings++;
        return fakeDirectory([{ nodes: 1 }]);
      },
    },
    this.clock,
  );

  async freeFor(contract: typeof one): Promise<number | undefined> {
    const { nodes } = await this.book.directory(contract, 0, signal);
    return nodes[0]?.free.cpuMilli;
  }
}

test('what one contract is about to use is not free for others, until it is in the log', async () => {
  const world = new Book();
  assert.equal(await world.freeFor(other), 4_000);
  world.book.claim(one, [use]);
  assert.deepEqual([await world.freeFor(other), await world.freeFor(one)], [1_000, 4_000]);
  await world.clock.advance(1_000);
  assert.equal(
    await world.freeFor(other),
    1_000,
    'a claim outlives the reading that was made before',
  );
  world.book.settle(one);
  assert.equal(await world.freeFor(other), 1_000, 'this reading may lack it');
  await world.clock.advance(1_000);
  assert.equal(await world.freeFor(other), 4_000, 'the next one has it');
  world.book.claim(one, [use]);
  world.book.drop(one);
  assert.equal(await world.freeFor(other), 4_000);
});

test('the directory is read once a second for all contracts', async () => {
  const world = new Book();
  await Promise.all([world.freeFor(one), world.freeFor(other)]);
  await world.clock.advance(999);
  await world.freeFor(one);
  assert.equal(world.readings, 1);
  await world.clock.advance(1);
  await world.freeFor(one);
  assert.equal(world.readings, 2);
});
