import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareLogs, decodeTerms, encodeTerms, type TermHistory, termsUpTo } from './terms.ts';

const first = { term: 0, firstSequence: 1 };

test('terms survive their text form', () => {
  const history = [first, { term: 3, firstSequence: 101 }, { term: 9, firstSequence: 102 }];
  assert.deepEqual(decodeTerms(encodeTerms(history)), history);
});

test('terms that do not rise, or are no numbers, are refused', () => {
  for (const text of ['', '1', '1:', '0:1,0:2', '2:1,1:2', '0:5,1:4', '0:1;1:2', '-1:1', '0:1,']) {
    assert.equal(decodeTerms(text), undefined, text);
  }
  assert.equal(decodeTerms('0:99999999999999999'), undefined);
  assert.equal(decodeTerms(Array.from({ length: 5000 }, (_, i) => `${i}:1`).join(',')), undefined);
});

test('replica with a part of the log continues', () => {
  const source = { history: [first, { term: 2, firstSequence: 11 }], lastSequence: 20 };
  for (const lastSequence of [1, 10]) {
    assert.deepEqual(compareLogs(source, { history: [first], lastSequence }), {
      kind: 'continues',
    });
  }
  const same = { history: source.history, lastSequence: 20 };
  assert.deepEqual(compareLogs(source, same), { kind: 'continues' });
});

test('old master goes back to where its mastership ended', () => {
  const source = { history: [first, { term: 2, firstSequence: 11 }], lastSequence: 20 };
  const old = { history: [first], lastSequence: 15 };
  assert.deepEqual(compareLogs(source, old), { kind: 'diverged', common: 10 });
});

test('log of two masterships that nobody followed goes back before both', () => {
  const source = { history: [first, { term: 5, firstSequence: 11 }], lastSequence: 20 };
  const history = [first, { term: 2, firstSequence: 8 }, { term: 3, firstSequence: 12 }];
  assert.deepEqual(compareLogs(source, { history, lastSequence: 30 }), {
    kind: 'diverged',
    common: 7,
  });
});

test('source that lacks records of the same mastership is behind, an older one is stale', () => {
  const source = { history: [first], lastSequence: 10 };
  assert.deepEqual(compareLogs(source, { history: [first], lastSequence: 11 }), { kind: 'behind' });
  const later = { history: [first, { term: 1, firstSequence: 5 }], lastSequence: 6 };
  assert.deepEqual(compareLogs(source, later), { kind: 'stale' });
});

test('log without a mastership in common is foreign', () => {
  const source = { history: [{ term: 1, firstSequence: 1 }], lastSequence: 10 };
  assert.deepEqual(compareLogs(source, { history: [first], lastSequence: 3 }), { kind: 'foreign' });
});

/*
 * Logs as what they are: a record is known by its sequence and by the term that it was written in. What
 * compareLogs says must be what comparing all records would say.
 */
test('comparison of histories says what comparison of all records says', () => {
  fc.assert(
    fc.property(someLog(), someLog(), (one, other) => {
      const source = { history: one.history, lastSequence: one.records.length };
      const replica = { history: other.history, lastSequence: other.records.length };
      let common = 0;
      while (common < one.records.length && one.records[common] === other.records[common]) common++;
      const result = compareLogs(source, replica);
      if (result.kind === 'continues') assert.equal(common, replica.lastSequence);
      if (result.kind === 'diverged') {
        assert.equal(result.common, common);
        assert.ok(common < replica.lastSequence);
      }
      if (result.kind === 'behind') assert.ok(common === one.records.length);
    }),
  );
});

test('terms up to a sequence are those that the log can know', () => {
  const history = [first, { term: 3, firstSequence: 101 }];
  assert.deepEqual(termsUpTo(history, 100), [first]);
  assert.deepEqual(termsUpTo(history, 101), history);
  assert.deepEqual(termsUpTo(history, 0), [first]);
});

/** A branch of one tree of logs: each term is written by one master, so it begins at one place. */
function someLog(): fc.Arbitrary<{ history: TermHistory; records: number[] }> {
  const starts = [1, 4, 4, 7, 9];
  const terms = fc.subarray([1, 2, 3, 4]);
  return fc.tuple(terms, fc.nat({ max: 6 })).map(([later, more]) => {
    const history: { term: number; firstSequence: number }[] = [{ ...first }];
    const records: number[] = [];
    for (const term of later) {
      const firstSequence = starts[term] ?? 1;
      // A mastership begins with a record of its own.
      if (firstSequence <= records.length) continue;
      const lastTerm = history.at(-1)?.term ?? 0;
      while (records.length < firstSequence - 1) records.push(lastTerm);
      history.push({ term, firstSequence });
      records.push(term);
    }
    const lastTerm = history.at(-1)?.term ?? 0;
    for (let i = 0; i < more; i++) records.push(lastTerm);
    return { history, records };
  });
}
