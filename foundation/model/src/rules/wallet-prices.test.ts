import { deepEqual, equal, ok } from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { examples } from '../testing/examples.ts';
import { fakeId } from '../testing/ids.ts';
import { cloudUnits, priceOf } from './wallet-prices.ts';

const gib = 2 ** 30;
const nothing = { cpuMilli: 0, memoryBytes: 0, ssdBytes: 0, hddBytes: 0, ipv4: 0 };

suite('prices', () => {
  test('count compute by what a workload has less of, and storage by both kinds', () => {
    const units = (change: Partial<typeof nothing>) => cloudUnits({ ...nothing, ...change });
    equal(units({ cpuMilli: 2000, memoryBytes: 4 * gib }).cuMilli, 1000n);
    equal(units({ cpuMilli: 2000, memoryBytes: 64 * gib }).cuMilli, 1000n);
    equal(units({ cpuMilli: 64_000, memoryBytes: 2 * gib }).cuMilli, 500n);
    equal(units({ ssdBytes: 300 * gib, hddBytes: 1200 * gib }).suMilli, 2000n);
    equal(units({ ssdBytes: 1 }).suMilli, 1n);
    equal(units({ ipv4: 3 }).ipv4Milli, 3000n);
  });

  test('of a farm are per so many unit-hours, and there is none for what it does not sell', () => {
    const prices = {
      ...{ currency: 'EUR', unitHours: 1000 },
      ...{ cu: fakeId.amount(900), ipv4: fakeId.amount(2000) },
    };
    const resources = { ...nothing, cpuMilli: 4000, memoryBytes: 8 * gib, ipv4: 1 };
    // 2 CU at 0.9 and an address at 2 an hour: 3.8, rounded up.
    deepEqual(priceOf(prices, resources), { amount: '4', currency: 'EUR', perSeconds: 3600 });
    equal(priceOf(prices, { ...resources, ssdBytes: 1 }), undefined);
    equal(priceOf(examples['grid.farm.1'].prices, nothing)?.amount, '0');
  });

  test('never fall when resources grow, and ask no less for parts than for the whole', () => {
    const { prices } = examples['grid.farm.1'];
    const bytes = fc.integer({ min: 0, max: 2 ** 45 });
    const any = fc.record({
      ...{ cpuMilli: fc.nat(200_000), memoryBytes: bytes, ssdBytes: bytes, hddBytes: bytes },
      ipv4: fc.nat(16),
    });
    const amount = (one: typeof nothing) => BigInt(priceOf(prices, one)?.amount ?? -1);
    const names = Object.keys(nothing) as (keyof typeof nothing)[];
    fc.assert(
      fc.property(any, any, (one, other) => {
        const sum = Object.fromEntries(names.map((name) => [name, one[name] + other[name]]));
        const both = amount(sum as unknown as typeof nothing);
        ok(both >= amount(one) && both >= amount(other));
        const storage = { ...sum, cpuMilli: 0, memoryBytes: 0 } as unknown as typeof nothing;
        const stored = (part: typeof nothing) => amount({ ...part, cpuMilli: 0, memoryBytes: 0 });
        ok(amount(storage) <= stored(one) + stored(other));
      }),
      { numRuns: 200 },
    );
  });
});
