/** One operation on a register, as its caller saw it. */
export interface RegisterOperation {
  readonly kind: 'read' | 'write';
  /** What was read or written; each value is written once. `undefined`: nothing was there. */
  readonly value: number | undefined;
  readonly calledMs: number;
  /** Infinity for a write whose result is unknown. */
  readonly answeredMs: number;
}

/** Situations that are looked at before the check gives up. */
const situationsMax = 500_000;

/**
 * Whether a history of one register is linearisable: whether there is an order of all operations that
 * keeps any two that did not overlap in theirs, and in which each read gives what was last written.
 *
 * Depth first, after Wing and Gong: an operation may come next if none that is left was answered before
 * it was called. A situation (what is done, what the register holds) that failed once is not tried again.
 * Writes with an unknown result that nobody ever read may as well not have happened, and are left out.
 */
export function isLinearisable(history: readonly RegisterOperation[]): boolean {
  const read = new Set(history.filter((op) => op.kind === 'read').map((op) => op.value));
  const operations = history
    .filter((op) => op.answeredMs < Infinity || read.has(op.value))
    .toSorted((a, b) => a.calledMs - b.calledMs);
  const failed = new Set<string>();
  const isDone = operations.map(() => false);
  const search = (left: number, held: number | undefined): boolean => {
    if (left === 0) return true;
    const situation = `${isDone.map(Number).join('')} ${held}`;
    if (failed.has(situation)) return false;
    if (failed.size > situationsMax) throw new Error('the history is too long for this check');
    let firstAnswerMs = Infinity;
    for (const [i, op] of operations.entries()) {
      if (!isDone[i]) firstAnswerMs = Math.min(firstAnswerMs, op.answeredMs);
    }
    for (const [i, op] of operations.entries()) {
      if (op.calledMs > firstAnswerMs) break;
      if (isDone[i] || (op.kind === 'read' && op.value !== held)) continue;
      isDone[i] = true;
      if (search(left - 1, op.kind === 'read' ? held : op.value)) return true;
      isDone[i] = false;
    }
    failed.add(situation);
    return false;
  };
  return search(operations.length, undefined);
}
