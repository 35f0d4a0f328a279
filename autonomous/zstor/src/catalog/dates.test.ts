import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@commongrid/base/testing';
import { Dates } from './dates.ts';

const ids = ['a', 'b', 'c', 'd', 'e'];

class Lab {
  readonly clock = new ManualClock(1_700_000_000_000);
  readonly dates: Dates;

  constructor(highestMs = 0) {
    this.dates = new Dates(this.clock, highestMs);
  }

  /** What the clocks of members are ahead of ours. */
  tell(...aheadMs: readonly number[]): void {
    for (const [i, ahead] of aheadMs.entries()) {
      this.dates.told(ids[i] ?? '', this.clock.nowMs() + ahead, this.clock.monotonicMs());
    }
  }

  get aheadMs(): number | undefined {
    const nowMs = this.dates.now(ids);
    return nowMs === undefined ? undefined : nowMs - this.clock.nowMs();
  }
}

test('the date is the earlier of our clock and the median of a majority', () => {
  const lab = new Lab();
  assert.equal(lab.aheadMs, undefined, 'nobody has told');
  lab.tell(-5_000, -4_000);
  assert.equal(lab.aheadMs, undefined, 'two of five are no majority');
  lab.tell(-5_000, -4_000, 1e12);
  assert.equal(lab.aheadMs, -4_000);
  const other = new Lab();
  other.tell(7_000, 8_000, 9_000, 9_000, 9_000);
  assert.equal(other.aheadMs, 0);
});

test('there is no date while the clocks are more than a minute apart', () => {
  for (const ahead of [60_001, -60_001]) {
    const lab = new Lab();
    lab.tell(ahead, ahead, ahead, 0, 0);
    assert.equal(lab.aheadMs, undefined);
    assert.match(lab.dates.problem ?? '', /60 s apart/);
    lab.tell(ahead, ahead, 0, 0, 0);
    assert.equal(lab.aheadMs, 0);
    assert.equal(lab.dates.problem, undefined);
  }
});

test('what members said counts for a minute', async () => {
  const lab = new Lab();
  lab.tell(0, 0, 0);
  await lab.clock.advance(59_000);
  assert.equal(lab.aheadMs, 0);
  await lab.clock.advance(2_000);
  assert.equal(lab.aheadMs, undefined);
});

test('the date never goes back, and there is none when all clocks did', () => {
  const lab = new Lab();
  lab.tell(0, 0, 0);
  const firstMs = lab.dates.now(ids);
  assert.equal(lab.dates.due, firstMs);
  lab.dates.noted(firstMs ?? 0);
  assert.equal(lab.dates.due, undefined);
  lab.tell(-10_000, -10_000, -10_000);
  assert.equal(lab.dates.now(ids), firstMs);
  const later = new Lab((firstMs ?? 0) + 60_001);
  later.tell(0, 0, 0);
  assert.equal(later.aheadMs, undefined);
  assert.match(later.dates.problem ?? '', /behind/);
});

test('terms begin at the latest of our clock, the median of a majority, and what was seen', () => {
  const lab = new Lab(1_700_000_000_000 + 1_000);
  const ahead = (): number => lab.dates.latest(ids) - lab.clock.nowMs();
  assert.equal(ahead(), 1_000, 'seen before');
  lab.tell(1e12, 1e12);
  assert.equal(ahead(), 1_000, 'two of five');
  lab.tell(86_400_000, 86_400_000, 86_400_000, 86_400_000, 1e12);
  assert.equal(ahead(), 86_400_000, 'our clock is a day behind');
  lab.tell(-5_000, -5_000, -5_000, -5_000, -5_000);
  assert.equal(ahead(), 1_000);
});
