import { askControl, delay, isGridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import { compareWitness } from './release-witness.ts';
import type { ReleaseWitness, WitnessedNode } from './release-witness.ts';

export interface ReleaseTrialOptions {
  /** Where the agent takes orders. */
  readonly controlPath: string;
  readonly node: WitnessedNode & { readonly viewAgeSeconds: number };
  /** Undefined when the agent before left none. */
  readonly witness: ReleaseWitness | undefined;
  /** How long it has to work without a break, ms. */
  readonly trialMs: number;
  readonly clock?: Clock;
}

/** How a trial ended; `isRetryable` when the release need not be at fault. */
export type TrialOutcome =
  | { readonly isGood: true }
  | { readonly isGood: false; readonly message: string; readonly isRetryable: boolean };

/** The oldest view of the log by which an agent makes way for another, and the other is good, s. */
export const freshViewSeconds = 30;

/** From one look to the next, ms. */
const lookEveryMs = 500;
/** For its own control socket to answer, ms. */
const answerTimeoutMs = 10_000;

/**
 * The trial of a release, by the agent of that release: it answers at its control socket, all that ran
 * before runs on untouched, and it has fresh word of the log, as the agent before had. It is good once
 * all of that held for the time of the trial. It failed when something was touched, or when something
 * is still missing once patience is over.
 * @param patienceMs for all that has to come, ms
 */
export async function holdTrial(
  options: ReleaseTrialOptions,
  patienceMs: number,
  signal: AbortSignal,
): Promise<TrialOutcome> {
  const { clock = systemClock, trialMs } = options;
  const startedMs = clock.monotonicMs();
  for (let heldSinceMs: number | undefined; ;) {
    const lack = await lackOf(options, signal);
    const nowMs = clock.monotonicMs();
    if (lack?.isFinal === true) return { isGood: false, ...lack };
    if (lack === undefined) {
      heldSinceMs ??= nowMs;
      if (nowMs - heldSinceMs >= trialMs) return { isGood: true };
    } else {
      heldSinceMs = undefined;
      if (nowMs - startedMs >= patienceMs) return { isGood: false, ...lack };
    }
    await delay(lookEveryMs, { clock, signal });
  }
}

interface Lack {
  readonly message: string;
  /** Waiting does not help. */
  readonly isFinal: boolean;
  readonly isRetryable: boolean;
}

async function lackOf(
  { controlPath, node, witness }: ReleaseTrialOptions,
  signal: AbortSignal,
): Promise<Lack | undefined> {
  try {
    const timeoutMs = answerTimeoutMs;
    await askControl(controlPath, 'status', {}, { timeoutMs, signal });
  } catch (error) {
    if (!isGridError(error) || signal.aborted) throw error;
    const message = `it does not answer at its control socket: ${error.message}`;
    return { message, isFinal: false, isRetryable: false };
  }
  if (witness === undefined) return undefined;
  const verdict = await compareWitness(node, witness, signal);
  if (verdict !== undefined) {
    return { message: verdict.message, isFinal: verdict.is === 'changed', isRetryable: false };
  }
  if (node.viewAgeSeconds <= freshViewSeconds) return undefined;
  return { message: 'it has no fresh word of the log', isFinal: false, isRetryable: true };
}
