import assert from 'node:assert/strict';
import { test } from 'node:test';

import { typedHint } from './typed-hint.ts';

test('commands in a hint are those of the checkout unless grid is on PATH', () => {
  const hint = 'grid bot init, then `grid node start`; or ./grid up';
  assert.equal(typedHint(hint, true), hint);
  assert.equal(typedHint(hint, false), './grid bot init, then `./grid node start`; or ./grid up');
  for (const other of ['use the newer grid', 'the grid upgrade', '/opt/grid up']) {
    assert.equal(typedHint(other, false), other);
  }
});
