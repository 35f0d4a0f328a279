import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import type { TrafficFigures } from '../../data/traffic.ts';
import { requireAllThere, requireRightReads } from './objects.ts';

const counts = { done: 7, bytes: 70, failed: 0, longestMs: 5 };
const figures: TrafficFigures = {
  ...{ reads: counts, writes: counts, expected: { reads: counts, writes: counts } },
  ...{ wrong: 0, hung: 0, removed: 0, problems: [] },
};

suite('requireRightReads', () => {
  test('counts reads, also those of times in which some may fail', () => {
    assert.equal(requireRightReads(figures), 14);
  });

  test('finds a read with other bytes, and says which', () => {
    const wrong = {
      ...figures,
      wrong: 1,
      problems: ['new/00001 has other bytes than were written'],
    };
    assert.throws(() => requireRightReads(wrong), /1 reads gave other bytes: new\/00001 has/);
  });

  test('finds a request that hung', () => {
    assert.throws(() => requireRightReads({ ...figures, hung: 2 }), /2 requests hung/);
  });
});

suite('requireAllThere', () => {
  const objects = ['a', 'b'].map((key) => ({ key, bytes: 1, sha256: `sum of ${key}` }));
  const sums = new Map(objects.map(({ key, sha256 }) => [key, sha256]));

  test('takes all that is there, and more', () => {
    requireAllThere(objects, new Map([...sums, ['c', 'any']]));
  });

  test('finds what is missing, and what has other bytes', () => {
    const bad = new Map([['a', 'other']]);
    assert.throws(
      () => requireAllThere(objects, bad),
      /2 of 2 differ: a \(other bytes\), b \(missing\)/,
    );
  });
});
