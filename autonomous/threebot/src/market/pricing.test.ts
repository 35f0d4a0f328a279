import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { examples, fakeId } from '@commongrid/model/testing';
import { defaultRules } from './farmer-rules.ts';
import type { FarmerRules } from './farmer-rules.ts';
import { answerCounter, discountPercent, lessPercent, listPrice, minFundOf } from './pricing.ts';

const gib = 2 ** 30;
const dayMs = 86_400_000;
const one = { cpuMilli: 2_000, memoryBytes: 4 * gib, ssdBytes: 300 * gib, hddBytes: 0, ipv4: 0 };
const prices = {
  ...{ currency: 'EUR', unitHours: 2, cu: fakeId.amount(900), su: fakeId.amount(401) },
};
const farm = { ...examples['grid.farm.1'], prices };

test('prices are those of the farm, or of the first list for farm and currency', () => {
  assert.equal(listPrice(defaultRules, farm, one, 'EUR'), 651n);
  assert.equal(listPrice(defaultRules, farm, one, 'TFT'), undefined);
  assert.equal(listPrice(defaultRules, farm, { ...one, ipv4: 1 }, 'EUR'), undefined);
  const lists: FarmerRules['prices'] = [
    { currency: 'EUR', farms: ['attic'], unitHours: 1, cu: '1', su: '1' },
    { currency: 'EUR', farms: [farm.name], unitHours: 1, cu: '2', su: '2' },
    { currency: 'EUR', unitHours: 1, cu: '3', su: '3' },
  ];
  const rules = { ...defaultRules, prices: lists };
  assert.equal(listPrice(rules, farm, one, 'EUR'), 4n);
  assert.equal(listPrice(rules, { ...farm, name: 'barn' }, one, 'EUR'), 6n);
  assert.equal(listPrice(rules, farm, one, 'TFT'), undefined);
});

test('the best discount for the term and that for the buyer add up, to 100 at most', () => {
  const discounts = {
    term: [
      { days: 365, percent: 30 },
      { days: 30, percent: 10 },
    ],
    circle: 5,
    bots: [{ bot: 'bot:b', percent: 80 }],
  };
  const rules = { ...defaultRules, discounts };
  const of = (bot: string, isInCircle: boolean, days: number): number =>
    discountPercent(rules, { bot, isInCircle, termMs: days * dayMs });
  assert.equal(of('bot:a', false, 29), 0);
  assert.equal(of('bot:a', false, 30), 10);
  assert.equal(of('bot:a', true, 365), 35);
  assert.equal(of('bot:b', true, 1), 80);
  assert.equal(of('bot:b', false, 400), 100);
  assert.equal(lessPercent(999n, 10), 900n);
});

test('a counter never leads above the last price, below the wish or below what the rules let go', () => {
  const percent = fc.integer({ min: 0, max: 100 });
  const amount = fc.bigInt({ min: 0n, max: 10n ** 20n });
  const counters = fc.record({
    ...{ mostPercent: percent, perRoundPercent: percent, declinePercent: percent },
  });
  fc.assert(
    fc.property(counters, amount, fc.array(amount, { maxLength: 4 }), (one_, first, wishes) => {
      const rules = { ...defaultRules, counters: one_ };
      let last = first;
      for (const [at, wish] of wishes.entries()) {
        const answer = answerCounter(rules, { first, last, wish, round: at + 1 });
        if (answer.is === 'declined') {
          assert.ok(wish < lessPercent(first, one_.declinePercent));
          continue;
        }
        assert.ok(answer.amount <= last && answer.amount >= lessPercent(first, one_.mostPercent));
        assert.ok(answer.amount >= wish || answer.amount === last);
        last = answer.amount;
      }
    }),
  );
});

test('the least fund is the price of some hours, of the term where that is shorter', () => {
  assert.equal(minFundOf(100n, { fundHours: 24 }, 10 * dayMs), '2400');
  assert.equal(minFundOf(100n, { fundHours: 24 }, 90 * 60_000), '150');
  assert.equal(minFundOf(1n, { fundHours: 24 }, 1), '1');
  assert.equal(minFundOf(100n, { fundHours: 24 }, -5), '0');
});
