import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { seededRandom, systemRandom, xoshiro128 } from './random.ts';

test('xoshiro128 gives the outputs of the reference C code for state 1, 2, 3, 4', () => {
  const random = xoshiro128(1, 2, 3, 4);
  const outputs = Array.from({ length: 10 }, () => random.uint32());
  assert.deepEqual(
    outputs,
    [
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597,
      4258142804,
    ],
  );
});

test('seededRandom replays for the same seed and differs for another', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.integer()), (seed) => {
      const [a, b, other] = [seededRandom(seed), seededRandom(seed), seededRandom(`${seed}x`)];
      assert.deepEqual(a.bytes(33), b.bytes(33));
      assert.equal(a.float(), b.float());
      assert.notDeepEqual(a.bytes(16), other.bytes(16));
    }),
  );
});

test('seededRandom keeps its stream for ever', () => {
  const random = seededRandom('commongrid');
  assert.deepEqual(
    [random.uint32(), random.uint32(), random.int(0, 100)],
    [2823446611, 378045719, 82],
  );
});

for (const [name, random] of [
  ['systemRandom', systemRandom],
  ['seededRandom', seededRandom(1)],
] as const) {
  test(`${name} stays inside its ranges`, () => {
    const span = fc.integer({ min: 1, max: 2 ** 32 });
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 1e12 }), span, (min, range) => {
        const drawn = random.int(min, min + range);
        assert.ok(Number.isSafeInteger(drawn) && drawn >= min && drawn < min + range);
        const float = random.float();
        assert.ok(float >= 0 && float < 1);
      }),
    );
    assert.equal(random.bytes(7).length, 7);
    assert.equal(random.bytes(0).length, 0);
  });

  test(`${name} refuses an empty or too wide range`, () => {
    const wrong: [number, number][] = [
      [1, 1],
      [2, 1],
      [0, 2 ** 32 + 1],
      [0.5, 3],
      [0, NaN],
    ];
    for (const [min, max] of wrong) {
      assert.throws(() => random.int(min, max), { code: 'BASE_OPTION_INVALID' }, `${min} ${max}`);
    }
  });
}

test('seededRandom draws each of six sides about equally often', () => {
  const random = seededRandom(6);
  const counts = Array.from({ length: 6 }, () => 0);
  for (let roll = 0; roll < 60_000; roll++) {
    const side = random.int(0, 6);
    counts[side] = (counts[side] ?? 0) + 1;
  }
  // Five standard deviations are 456.
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 456, String(counts));
});
