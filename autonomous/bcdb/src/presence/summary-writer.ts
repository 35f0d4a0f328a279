import type { Clock, Logger, Timer } from '@commongrid/base';
import { canonicalBytes } from '@commongrid/crypto';
import { recordTypes } from '@commongrid/model';
import type { NodeId } from '@commongrid/model';
import type { Statement } from '../record/author.ts';
import { tickEveryMs } from '../sequencer/log-clock.ts';
import { gridNamespace } from '../state/identities.ts';
import { presenceUrl } from '../state/presence-rules.ts';
import type { PresenceSummary } from '../state/presence-rules.ts';
import type { UnloggedPresence } from './presence-file.ts';
import { SeenRuns } from './seen-runs.ts';
import type { Run, SeenSpan } from './seen-runs.ts';

/** Summaries that are written in one second, so that an hour of all nodes is no burst. */
const summariesPerSecondMax = 200;

/** Summaries that a close hands over together. */
const summariesAtOnceMax = 900;

/** From a placement's end to the summary that covers it: log time has to get there first, ms. */
const urgentAfterMs = 2 * tickEveryMs;

/** Furthest that log time may slip between two summaries and still be one presence, ms. */
const driftMaxMs = 10_000;

export interface SummaryWriterOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often a node's presence is logged, ms. */
  readonly everyMs: number;
  /** Silence that is a gap, ms. */
  readonly gapMs: number;
  /** End of the last logged summary of a node, or the log's beginning, milliseconds since 1970. */
  readonly loggedToMs: (node: NodeId) => number;
  /** Appends a record of the sequencer. */
  readonly write: (statement: Statement) => Promise<unknown>;
}

interface Seen {
  readonly runs: SeenRuns;
  /** Up to where it is logged: by the monotonic clock, and as log time. */
  cut: { readonly atMs: number; readonly toMs: number } | undefined;
}

/**
 * Turns heartbeats into `grid.presence.1`: for each node once in a while, and soon after a placement on
 * it ended. Heartbeats are remembered by the monotonic clock and become log time when they are
 * written, so that a wall clock that leaps adds no time and takes none.
 */
export class SummaryWriter {
  readonly #options: SummaryWriterOptions;
  readonly #seen = new Map<NodeId, Seen>();
  /** When summaries fall due, the first one first; all of a map wait for equally long. */
  readonly #due = new Map<NodeId, number>();
  readonly #urgent = new Map<NodeId, number>();
  /** Nodes that were silent when a placement on them ended: farmers wait until they are heard again. */
  readonly #owed = new Set<NodeId>();
  /** Whether `unlogged` would tell something else than it did last. */
  #isChanged = false;
  #timer: Timer | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #writing: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: SummaryWriterOptions) {
    this.#options = options;
  }

  /** Goes on with what an earlier run of the sequencer had not logged. */
  restore(kept: readonly UnloggedPresence[]): void {
    const { clock, everyMs, gapMs } = this.#options;
    const nowMs = clock.monotonicMs();
    const offsetMs = clock.nowMs() - nowMs;
    for (const { node, due, cut, runs } of kept.toSorted((a, b) => a.due - b.due)) {
      // The wall clock may have been set back since.
      const past = runs.filter(([, fromMs, toMs]) => fromMs <= toMs && toMs <= nowMs + offsetMs);
      const known = past.map(([session, fromMs, toMs]) => ({
        session,
        fromMs: fromMs - offsetMs,
        toMs: toMs - offsetMs,
      }));
      this.#seen.set(node, {
        runs: new SeenRuns(gapMs, known),
        cut: cut && { atMs: cut[0] - offsetMs, toMs: cut[1] },
      });
      this.#due.set(node, Math.min(due - offsetMs, nowMs + everyMs));
    }
    this.#schedule();
  }

  /**
   * What no summary tells yet, by the wall clock as it is now; undefined when that is as it was at the
   * last call.
   */
  unlogged(): Iterable<UnloggedPresence> | undefined {
    if (!this.#isChanged) return undefined;
    this.#isChanged = false;
    return this.#unlogged();
  }

  *#unlogged(): Generator<UnloggedPresence> {
    const { clock } = this.#options;
    const offsetMs = clock.nowMs() - clock.monotonicMs();
    const wallMs = (atMs: number): number => Math.floor(atMs + offsetMs);
    for (const [node, { runs, cut }] of this.#seen) {
      yield {
        node,
        due: wallMs(this.#due.get(node) ?? clock.monotonicMs()),
        ...(cut === undefined ? {} : { cut: [wallMs(cut.atMs), cut.toMs] }),
        runs: runs.runs.map(({ session, fromMs, toMs }) => [session, wallMs(fromMs), wallMs(toMs)]),
      };
    }
  }

  /** A heartbeat of a node came just now. */
  see(node: NodeId, session: number): void {
    this.#isChanged = true;
    const nowMs = this.#options.clock.monotonicMs();
    let seen = this.#seen.get(node);
    if (seen === undefined) {
      seen = { runs: new SeenRuns(this.#options.gapMs), cut: undefined };
      this.#seen.set(node, seen);
    }
    seen.runs.see(session, nowMs);
    if (seen.runs.isMany || this.#owed.delete(node)) this.hurry(node);
    if (this.#due.has(node)) return;
    this.#due.set(node, nowMs + this.#options.everyMs);
    this.#schedule();
  }

  /** The presence of a node up to now is to be logged soon, and once more when it is heard again, if it is silent. */
  hurry(node: NodeId): void {
    const seen = this.#seen.get(node);
    if (seen === undefined || seen.runs.isSilent(this.#options.clock.monotonicMs())) {
      this.#owed.add(node);
    }
    if (seen === undefined || this.#urgent.has(node)) return;
    this.#urgent.set(node, this.#options.clock.monotonicMs() + urgentAfterMs);
    this.#schedule();
  }

  /** Logs what there is of all nodes. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#writing;
    const nodes = [...this.#seen.keys()];
    for (let from = 0; from < nodes.length; from += summariesAtOnceMax) {
      await this.#writeAll(nodes.slice(from, from + summariesAtOnceMax));
    }
  }

  #schedule(): void {
    if (this.#writing !== undefined || this.#isClosed) return;
    const { clock } = this.#options;
    // A second apart at least: the rest of a crowd waits for its turn.
    const leastMs = clock.monotonicMs() + 1000;
    const dueMs = Math.max(leastMs, Math.min(firstOf(this.#due), firstOf(this.#urgent)));
    if (dueMs >= this.#timerDueMs) return;
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = clock.setTimer(dueMs - clock.monotonicMs(), () => {
      this.#timerDueMs = Number.POSITIVE_INFINITY;
      this.#writing = this.#writeAll(this.#takeDue()).finally(() => {
        this.#writing = undefined;
        this.#schedule();
      });
    });
  }

  #takeDue(): readonly NodeId[] {
    const nowMs = this.#options.clock.monotonicMs();
    const taken = new Set<NodeId>();
    for (const waiting of [this.#urgent, this.#due]) {
      for (const [node, dueMs] of waiting) {
        if (dueMs > nowMs || taken.size >= summariesPerSecondMax) break;
        taken.add(node);
      }
    }
    for (const node of taken) {
      this.#urgent.delete(node);
      this.#due.delete(node);
      this.#due.set(node, nowMs + this.#options.everyMs);
    }
    return [...taken];
  }

  async #writeAll(nodes: readonly NodeId[]): Promise<void> {
    const results = await Promise.allSettled(nodes.map((node) => this.#write(node)));
    const failed = results.filter((result) => result.status === 'rejected');
    const [first] = failed;
    if (first === undefined) return;
    this.#options.logger.error(
      { err: first.reason as unknown, nodes: failed.length },
      'presence could not be logged; it is tried again when it is next due',
    );
  }

  /** One record after the other: each must follow the one before. */
  async #write(node: NodeId): Promise<void> {
    const seen = this.#seen.get(node);
    if (seen === undefined) return;
    this.#isChanged = true;
    const { clock, write } = this.#options;
    const lastMs = seen.runs.runs.at(-1)?.toMs ?? 0;
    // Up to what is log time for sure when the record is judged; what comes meanwhile is told next time.
    const untilMs = Math.min(clock.monotonicMs() - tickEveryMs, lastMs);
    const offsetMs = clock.nowMs() - clock.monotonicMs();
    for (let span = seen.runs.next(untilMs); span; span = seen.runs.next(untilMs)) {
      const summary = this.#summary(node, seen, span, offsetMs);
      if (summary !== undefined) await write(statementOf(summary));
      const atMs = span.runs.at(-1)?.toMs ?? untilMs;
      seen.cut = { atMs, toMs: summary?.toMs ?? seen.cut?.toMs ?? 0 };
      seen.runs.cut(atMs);
    }
    // What is left of that time are moments.
    seen.runs.cut(untilMs);
    if (!seen.runs.isOver(clock.monotonicMs())) return;
    this.#seen.delete(node);
    this.#due.delete(node);
  }

  /** Undefined when log time was here before: the wall clock had been ahead. */
  #summary(
    node: NodeId,
    { cut }: Seen,
    { session, runs }: SeenSpan,
    offsetMs: number,
  ): PresenceSummary | undefined {
    const leastMs = this.#options.loggedToMs(node);
    const told = runs.flatMap((run, index) => {
      const fromMs = Math.floor(run.fromMs + offsetMs);
      const goesOn =
        index === 0 &&
        run.fromMs === cut?.atMs &&
        cut.toMs === leastMs &&
        Math.abs(fromMs - leastMs) <= driftMaxMs;
      const logged: Run = {
        fromMs: goesOn ? leastMs : Math.max(leastMs, fromMs),
        toMs: Math.floor(run.toMs + offsetMs),
      };
      return logged.fromMs < logged.toMs ? [logged] : [];
    });
    const [first] = told;
    const last = told.at(-1);
    if (first === undefined || last === undefined) return undefined;
    return { node, session, fromMs: first.fromMs, toMs: last.toMs, gaps: gapsBetween(told) };
  }
}

function gapsBetween(runs: readonly Run[]): Run[] {
  return runs.slice(1).map(({ fromMs }, index) => ({
    fromMs: runs[index]?.toMs ?? fromMs,
    toMs: fromMs,
  }));
}

function statementOf(summary: PresenceSummary): Statement {
  return {
    ns: gridNamespace,
    op: 'put',
    url: presenceUrl,
    obj: summary.node,
    schema: recordTypes.get(presenceUrl)?.schemaId,
    payload: canonicalBytes(summary),
  };
}

function firstOf(due: ReadonlyMap<NodeId, number>): number {
  for (const dueMs of due.values()) return dueMs;
  return Number.POSITIVE_INFINITY;
}
