import type { NodeId } from '../fields.ts';
import type { Lock } from '../records/lock.ts';
import type { Presence } from '../records/presence.ts';
import type { Receipt } from '../records/receipt.ts';
import { heldBy, presenceSpansMax } from './wallet-state.ts';
import type { AttendanceState, EscrowState, MoneyView, Span } from './wallet-state.ts';

/** Adds a summary to what is known of the presence of a node. Time that was told stays as told. */
export function attend(
  view: MoneyView,
  { node, fromMs, toMs, gaps }: Pick<Presence, 'node' | 'fromMs' | 'toMs' | 'gaps'>,
): AttendanceState {
  const spans = [...(view.money('attendance', node)?.spans ?? [])];
  const isAbsent = gaps.map((gap): Span => [gap.fromMs, gap.toMs]);
  for (const [from, to] of without([[fromMs, toMs]], isAbsent)) {
    const last = spans.at(-1);
    const begin = Math.max(from, last?.[1] ?? from);
    if (begin >= to) continue;
    if (last?.[1] === begin) spans[spans.length - 1] = [last[0], to];
    else spans.push([begin, to]);
  }
  return { kind: 'attendance', id: node, spans: spans.slice(-presenceSpansMax) };
}

/**
 * Seconds of a receipt that are paid: healthy, as the node says; and no more than the whole seconds in
 * which the log has the node as present, the placement had the lock, and no objection holds.
 */
export function payableSeconds(
  view: MoneyView,
  node: NodeId,
  { place }: EscrowState,
  [fromMs, toMs, healthySeconds]: EscrowState['receipts'][number],
  refunded: readonly Span[],
): number {
  const from = Math.max(fromMs, place?.fromMs ?? toMs);
  const to = Math.min(toMs, place?.untilMs ?? toMs);
  const spans = view.money('attendance', node)?.spans ?? [];
  const present = spans.flatMap(([begin, end]): Span[] => {
    const span: Span = [Math.max(begin, from), Math.min(end, to)];
    return span[0] < span[1] ? [span] : [];
  });
  const counted = without(present, refunded);
  const ms = counted.reduce((sum, [begin, end]) => sum + (end - begin), 0);
  return Math.min(healthySeconds, Math.floor(ms / 1000));
}

/** What is due for so many seconds, smallest units, rounded down. */
export function dueFor({ price }: Pick<Lock, 'price'>, seconds: number): bigint {
  return (BigInt(price.amount) * BigInt(seconds)) / BigInt(price.perSeconds);
}

/**
 * Whether an escrow still pays for so many seconds from a log time on, if all since the last receipt
 * was healthy.
 */
export function covers(
  { price }: Pick<Lock, 'price'>,
  escrow: EscrowState,
  at: number,
  seconds: number,
): boolean {
  const { place, paidSeconds, released } = escrow;
  const reportedMs = place === undefined ? at : reportedUntilMs(escrow);
  const running = Math.ceil(Math.max(0, at - reportedMs) / 1000);
  const all = paidSeconds + reportedSeconds(escrow) + running + seconds;
  return dueFor({ price }, all) - BigInt(released) <= heldBy(escrow);
}

/**
 * The log time up to which an escrow pays, if all since the last receipt was healthy; undefined where it
 * pays for ever.
 */
export function paidUntilMs(
  { price }: Pick<Lock, 'price'>,
  escrow: EscrowState,
): number | undefined {
  const { place, receipts, cursorMs, paidSeconds, released, emptySinceMs } = escrow;
  const perUnits = BigInt(price.amount);
  if (perUnits === 0n || place === undefined) return undefined;
  if (emptySinceMs !== undefined) {
    // Receipts of nothing that come behind the money do not make it last longer.
    const lastMs = receipts.findLast(([, , healthySeconds]) => healthySeconds > 0)?.[1] ?? 0;
    return Math.min(emptySinceMs, Math.max(place.fromMs, cursorMs, lastMs));
  }
  const reportedMs = reportedUntilMs(escrow);
  const used = dueFor({ price }, paidSeconds + reportedSeconds(escrow)) - BigInt(released);
  const left = heldBy(escrow) - used;
  const seconds = left > 0n ? (left * BigInt(price.perSeconds)) / perUnits : 0n;
  return reportedMs + Number(seconds) * 1000;
}

/** What a node counted, and the log may not have yet. */
export type UntoldReceipt = Pick<Receipt, 'fromMs' | 'toMs' | 'healthySeconds'>;

/** The state once receipts are told that wait for it, in their order. */
export function withReceipts(
  lock: Pick<Lock, 'price'>,
  escrow: EscrowState,
  untold: readonly UntoldReceipt[],
): EscrowState {
  let next = escrow;
  for (const { fromMs, toMs, healthySeconds } of untoldTo(escrow, untold)) {
    const receipts = [...next.receipts, [fromMs, toMs, healthySeconds] as const];
    next = withEmptiness(lock, { ...next, receipts }, toMs);
  }
  return next;
}

/**
 * `paidUntilMs` as a node knows it that has receipts to tell yet. Between the last that its view has and
 * the first of those some may be on their way: all that time counts as used.
 */
export function paidUntilBy(
  lock: Pick<Lock, 'price'>,
  escrow: EscrowState,
  untold: readonly UntoldReceipt[],
): number | undefined {
  const fromMs = reportedUntilMs(escrow);
  const toMs = untoldTo(escrow, untold)[0]?.fromMs ?? fromMs;
  const unseen = { fromMs, toMs, healthySeconds: Math.ceil((toMs - fromMs) / 1000) };
  return paidUntilMs(lock, withReceipts(lock, escrow, [unseen, ...untold]));
}

/** The log has the others. */
function untoldTo(escrow: EscrowState, untold: readonly UntoldReceipt[]): readonly UntoldReceipt[] {
  const reportedMs = reportedUntilMs(escrow);
  return untold.filter(({ fromMs }) => fromMs >= reportedMs);
}

/** Log time up to which receipts tell of a place. */
function reportedUntilMs({ place, cursorMs, receipts }: EscrowState): number {
  return Math.max(place?.fromMs ?? 0, cursorMs, receipts.at(-1)?.[1] ?? 0);
}

/** The state as it is from a log time on: notes since when it pays for nothing more. */
export function withEmptiness(
  { price }: Pick<Lock, 'price'>,
  { emptySinceMs, ...escrow }: EscrowState,
  at: number,
): EscrowState {
  const isEmpty = escrow.isClosed === true || isUsedUp({ price }, escrow);
  return isEmpty ? { ...escrow, emptySinceMs: emptySinceMs ?? at } : escrow;
}

/** Whether receipts claim all but what a second costs. */
function isUsedUp({ price }: Pick<Lock, 'price'>, escrow: EscrowState): boolean {
  const claimed = escrow.paidSeconds + reportedSeconds(escrow) + 1;
  const perSeconds = BigInt(price.perSeconds);
  const due = (BigInt(price.amount) * BigInt(claimed) + perSeconds - 1n) / perSeconds;
  return due > BigInt(escrow.released) + heldBy(escrow);
}

/** Healthy seconds of receipts that were not released yet. */
export function reportedSeconds({ receipts }: EscrowState): number {
  return receipts.reduce((sum, [, , healthySeconds]) => sum + healthySeconds, 0);
}

/** Whether two stretches have a moment in common. */
export function overlaps([from, to]: Span, [begin, end]: Span): boolean {
  return from < end && begin < to;
}

/** What is left of some stretches, in their order, once others are cut out of them. */
function without(spans: readonly Span[], cuts: readonly Span[]): readonly Span[] {
  let left = spans;
  for (const [begin, end] of cuts) {
    left = left.flatMap(([from, to]): Span[] => {
      if (!overlaps([from, to], [begin, end])) return [[from, to]];
      const sides: Span[] = [
        [from, begin],
        [end, to],
      ];
      return sides.filter(([one, other]) => one < other);
    });
  }
  return left;
}
