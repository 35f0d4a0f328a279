import type { RecordOf } from '@commongrid/model';

import type { PowerCut } from '../demo-node.ts';

type Said = Pick<RecordOf<'grid.event.1'>, 'phase' | 'at'>;

/** Phases in which whoever pays for a place has it. */
const havingPhases: ReadonlySet<Said['phase']> = new Set(['running', 'healthy']);

/**
 * For how long a place was had, s: while its machine said so, and had power.
 * @param events of it, the oldest first
 * @param untilMs end of what was said last, ms since 1970
 */
export function secondsHad(
  events: readonly Said[],
  cuts: readonly PowerCut[],
  untilMs: number,
): number {
  let ms = 0;
  for (const [at, { phase, at: fromMs }] of events.entries()) {
    if (!havingPhases.has(phase)) continue;
    const toMs = events[at + 1]?.at ?? untilMs;
    ms += toMs - fromMs - darkMs(cuts, fromMs, toMs);
  }
  return ms / 1_000;
}

/** For how long there was no power between two times, ms. */
export function darkMs(cuts: readonly PowerCut[], fromMs: number, toMs: number): number {
  return cuts.reduce((sum, cut) => {
    return sum + Math.max(0, Math.min(cut.untilMs, toMs) - Math.max(cut.fromMs, fromMs));
  }, 0);
}
