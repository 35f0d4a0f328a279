import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { seededRandom } from '@commongrid/base';

import { growthOf, growthRule } from './growth.ts';
import type { Sample } from './growth.ts';

const mib = 2 ** 20;
const minuteMs = 60_000;

/** A life of half an hour, a sample each five seconds. */
function life(
  ownBytes: (minutes: number) => number,
  files: (minutes: number) => number = () => 30,
  minutes = 30,
): readonly Sample[] {
  return Array.from({ length: minutes * 12 }, (_, at) => {
    return { atMs: at * 5_000, ownBytes: ownBytes(at / 12), files: files(at / 12) };
  });
}

suite('growthOf', () => {
  test('calls a process flat that fills up, and then only collects what it made', () => {
    const random = seededRandom(1);
    const samples = life((at) => {
      return 100 * mib * Math.min(1, at / 5) + ((at * 20) % 30) * mib + random.int(0, 8 * mib);
    });
    assert.equal(growthOf(samples)?.isFlat, true);
  });

  test('finds memory that grows all the time, and how fast', () => {
    const growth = growthOf(life((at) => 100 * mib + at * 3 * mib + ((at * 20) % 10) * mib));
    assert.equal(growth?.isFlat, false);
    const perHour = growth.bytesPerHour / mib;
    assert.ok(perHour > 170 && perHour < 190, `${perHour} MiB an hour`);
    assert.ok(growth.overMs > 14 * minuteMs && growth.overMs <= 15 * minuteMs);
  });

  test('finds files that are never closed', () => {
    const growth = growthOf(
      life(
        () => 100 * mib,
        (at) => 30 + Math.floor(at * 4),
      ),
    );
    assert.equal(growth?.isFlat, false);
    assert.ok(Math.abs(growth.filesPerHour - 240) < 5);
  });

  test('calls what was filled once, late, no leak', () => {
    for (const stepAt of [17, 20, 22.5, 25, 28]) {
      const growth = growthOf(life((at) => (at < stepAt ? 100 : 200) * mib));
      assert.equal(growth?.isFlat, true, `filled after ${stepAt} min`);
    }
  });

  test('judges nothing before a process is warm, and no short life', () => {
    assert.equal(growthOf(life((at) => at * 50 * mib, undefined, 9)), undefined);
    assert.equal(growthOf([]), undefined);
    const rule = { ...growthRule, warmUpMs: 20 * minuteMs };
    const growth = growthOf(
      life(() => mib),
      rule,
    );
    assert.ok(growth && growth.overMs > 9 * minuteMs && growth.overMs <= 10 * minuteMs);
  });
});
