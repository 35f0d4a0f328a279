import type { Contract } from '../records/contract.ts';
import type { ContractRole } from '../records/contract-role.ts';

/** How often a node looks whether something has to stand still, ms. */
export const isolationLookMs = 1_000;

/** How much later than a node's stop a controller starts a replica elsewhere: clocks go at other rates. */
export const clockRatesMax = 1.1;

/** So long a node may be without word in ordinary times, ms: a role that bears less would stop again and again. */
const hearingPauseMsMax = 4_000;

/**
 * In this time after it heard that a node is silent a controller's order to move a replica away from it
 * has to be in the log, ms: `notAfterMs` says so, by log time.
 */
export const moveWithinMs = 5_000;

/** How far the log time of a record is behind when it came, ms at most. */
const logTimeStepMs = 1_000;

/**
 * From the last look that found a role cut off to the word of the log that it may go on by, ms: that word
 * has every move that was ordered before the node was heard again.
 */
export const resumeAfterMs = isolationLookMs + clockRatesMax * (moveWithinMs + logTimeStepMs);

type Stopped = Pick<ContractRole, 'workload'>;

/**
 * For how long a node may be cut off before it stops a role that asked for that, ms: its stop, which
 * begins with the next look, is over before the controller may start the replica elsewhere.
 */
export function isolationMs(
  { replaceAfterMs }: Pick<Contract['heal'], 'replaceAfterMs'>,
  role: Stopped,
): number {
  return Math.max(0, replaceAfterMs / clockRatesMax - stopMs(role) - isolationLookMs);
}

/**
 * For how long a node may be cut off before a guard beside its agent kills such a role, ms: after the
 * agent's own stop, and in time for the kill to be over before the controller may start it elsewhere.
 */
export function guardMs({ replaceAfterMs }: Pick<Contract['heal'], 'replaceAfterMs'>): number {
  return Math.max(0, replaceAfterMs / clockRatesMax - isolationLookMs / 2);
}

/** The least `replaceAfterMs` with which a role that stops when it is cut off runs in ordinary times. */
export function replaceAfterMsMin(role: Stopped): number {
  return Math.ceil(clockRatesMax * (stopMs(role) + isolationLookMs + hearingPauseMsMax));
}

function stopMs({ workload }: Stopped): number {
  return (workload.container?.stop.graceSeconds ?? 0) * 1000;
}
