import type { GridFold } from '@commongrid/model';

import { BrokenPromise } from '../../../simulation/witness.ts';
import { darkMs } from '../../archive/places-had.ts';
import type { PowerCut } from '../../demo-node.ts';

type Fold = Pick<GridFold, 'moneyOf' | 'objects'>;

/** What is counted in whole seconds and told by heartbeats may be off by so much, s. */
const tolerance = { place: 5, cut: 10 } as const;

/**
 * Holds what was paid for each lock against the time in which its place was there, and its machine had power: a machine
 * says itself for how long it was healthy, and does not decide when it had power.
 * @param cuts by node, true times
 * @param nowMs log time, ms since 1970
 * @returns seconds that were paid
 * @throws BrokenPromise
 */
export function requirePower(
  fold: Fold,
  cuts: ReadonlyMap<string, readonly PowerCut[]>,
  nowMs: number,
): number {
  const locks = new Map<string, string>(
    [...fold.objects('grid.lock.1')].map(({ id, node }) => [id, node]),
  );
  let sum = 0;
  for (const { id, place, paidSeconds } of fold.moneyOf('escrow')) {
    sum += paidSeconds;
    if (paidSeconds === 0) continue;
    if (place === undefined) throw new BrokenPromise(`power: ${id} was paid, and had no place`);
    const { fromMs, untilMs = nowMs } = place;
    const own = (cuts.get(locks.get(id) ?? '') ?? []).filter((cut) =>
      isWithin(cut, fromMs, untilMs),
    );
    const hadSeconds = (untilMs - fromMs - darkMs(own, fromMs, untilMs)) / 1_000;
    if (paidSeconds <= hadSeconds + tolerance.place + tolerance.cut * own.length) continue;
    const had = hadSeconds.toFixed(1);
    throw new BrokenPromise(
      `power: ${id} was paid for ${paidSeconds} s, and had power for ${had} s`,
    );
  }
  return sum;
}

function isWithin(cut: PowerCut, fromMs: number, untilMs: number): boolean {
  return cut.fromMs < untilMs && cut.untilMs > fromMs;
}
