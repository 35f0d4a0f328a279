import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from '../bench/bcdb-fifty.bench.ts';

test('the benchmark of copies gives bytes stored and sent, and light followers take less', async (t) => {
  const rows = await run({
    rounds: 1,
    isQuick: true,
    signal: t.signal,
    note: (text) => t.diagnostic(text),
  });
  const bounds = rows.filter(({ must }) => must !== null).map(({ must }) => must);
  assert.deepEqual(bounds, [45, 45, 30, 30]);
  for (const { name, ours, rival, ratio } of rows) {
    assert.ok(ours > 0 && rival !== null && rival > ours, name);
    // Two full copies are in both: nothing can be better than fifty times less.
    assert.ok(ratio !== null && ratio > 5 && ratio < 50, `${name}: ${ratio}`);
  }
});
