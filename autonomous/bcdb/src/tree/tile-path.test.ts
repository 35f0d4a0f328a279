import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parseTilePath, tilePath } from './tile-path.ts';
import type { TileName } from './tile-path.ts';

test('tile paths are those of the specification', () => {
  const known: [TileName, string][] = [
    [{ level: 0, index: 0, width: 256 }, 'tile/0/000'],
    [{ level: 0, index: 1067, width: 5 }, 'tile/0/x001/067.p/5'],
    [{ level: 1, index: 1_234_067, width: 256 }, 'tile/1/x001/x234/067'],
    [{ level: 63, index: 999, width: 255 }, 'tile/63/999.p/255'],
    [{ level: 'entries', index: 273, width: 112 }, 'tile/entries/273.p/112'],
  ];
  for (const [tile, path] of known) {
    assert.equal(tilePath(tile), path);
    assert.deepEqual(parseTilePath(path), tile);
  }
});

test('tile path of any tile reads back as that tile', () => {
  const levels = fc.oneof(fc.nat(63), fc.constant('entries' as const));
  const indices = fc.oneof(fc.nat(2000), fc.maxSafeNat());
  fc.assert(
    fc.property(levels, indices, fc.integer({ min: 1, max: 256 }), (level, index, width) => {
      const tile = { level, index, width };
      assert.deepEqual(parseTilePath(tilePath(tile)), tile);
    }),
  );
});

test('tile path has one spelling', () => {
  const wrong = [
    '',
    'tile/0/0',
    'tile/0/0000',
    'tile/00/000',
    'tile/64/000',
    'tile/-1/000',
    'tile/0/x000/001',
    'tile/0/001/002',
    'tile/0/x001',
    'tile/0/000.p/0',
    'tile/0/000.p/01',
    'tile/0/000.p/256',
    'tile/0/000.p/257',
    'tile/0/000.p/',
    '/tile/0/000',
    'tile/0/000/',
    'tile/0/../000',
    'tile/data/000',
    'tile/0/x999/x999/x999/x999/x999/999',
  ];
  for (const path of wrong) assert.equal(parseTilePath(path), undefined, path);
});
