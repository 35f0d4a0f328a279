import { GridError } from '@commongrid/base';
import type { Clock, Timer } from '@commongrid/base';
import type { NodeId } from '@commongrid/model';
import type { BcdbErrorCode } from '../errors.ts';
import type { Heartbeat } from './heartbeat.ts';
import { PresenceWatch } from './presence-watch.ts';

/** Nodes that the table has room for. */
const presenceNodesMax = 100_000;

/** Watchers at one time. */
export const presenceWatchersMax = 256;

/** Heartbeats of one node in a second, over time. */
const heartbeatsPerSecondMax = 4;
/** Heartbeats of one node at once, above that. */
export const heartbeatsBurstMax = 8;

/** How long a node that is gone is still shown, ms. */
const forgetAfterMs = 24 * 3_600_000;

/** `alive`; `suspect` after a short silence, `gone` after a longer one. */
export type Standing = 'alive' | 'suspect' | 'gone';

/** What the sequencer knows of a node by its heartbeats. */
export interface NodePresence {
  readonly node: NodeId;
  readonly standing: Standing;
  readonly session: number;
  /** Time since its last heartbeat by the monotonic clock, ms. */
  readonly silentMs: number;
  /** No heartbeat came since the sequencer began: it counts as seen at that moment. */
  readonly isAssumed: boolean;
  /** The node's clock at its last heartbeat, milliseconds since 1970, if it said so. */
  readonly at?: number;
}

export interface PresenceTableOptions {
  readonly clock: Clock;
  /** Silence after which a node is suspect, ms. */
  readonly suspectAfterMs: number;
  /** Silence after which a node is gone, ms. */
  readonly goneAfterMs: number;
  /** Default `presenceNodesMax`. */
  readonly nodesMax?: number;
}

interface Row {
  readonly node: NodeId;
  readonly session: number;
  readonly counter: number;
  readonly seenAtMs: number;
  readonly isAssumed: boolean;
  readonly at: number | undefined;
  /** When all heartbeats so far were due, had they come at the highest rate (GCRA). */
  readonly dueMs: number;
}

/**
 * Who lives, by the sequencer's monotonic clock. The three maps hold the node that was silent for
 * longest first, so that time passing costs only what changes.
 */
export class PresenceTable {
  readonly #options: PresenceTableOptions;
  readonly #rows: Readonly<Record<Standing, Map<NodeId, Row>>> = {
    alive: new Map(),
    suspect: new Map(),
    gone: new Map(),
  };
  /** Rows, the silence that ends their standing, and the rows of the next one. */
  readonly #moves: readonly (readonly [Map<NodeId, Row>, number, Map<NodeId, Row>?])[];
  readonly #watches = new Set<PresenceWatch<NodePresence>>();
  #timer: Timer | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #isClosed = false;

  constructor(options: PresenceTableOptions) {
    this.#options = options;
    const { alive, suspect, gone } = this.#rows;
    this.#moves = [
      [alive, options.suspectAfterMs, suspect],
      [suspect, options.goneAfterMs, gone],
      [gone, forgetAfterMs],
    ];
  }

  /** Counts a node as just seen, though it sent nothing: at the start. */
  assume(node: NodeId, session: number): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#size >= this.#nodesMax || this.#row(node) !== undefined) return;
    const row: Row = {
      node,
      session,
      counter: 0,
      seenAtMs: nowMs,
      isAssumed: true,
      at: undefined,
      dueMs: nowMs,
    };
    this.#rows.alive.set(node, row);
    this.#schedule();
  }

  /**
   * Whether a heartbeat is news: above all counters before in its session.
   * @throws BCDB_HEARTBEAT_STALE
   */
  requireNew({ node, session, counter }: Heartbeat): void {
    const row = this.#row(node);
    if (row === undefined || session > row.session) return;
    if (session === row.session && counter > row.counter) return;
    throw new GridError<BcdbErrorCode>(
      'BCDB_HEARTBEAT_STALE',
      `heartbeat ${counter} of session ${session} comes after ${row.counter} of ${row.session}`,
      { details: { session: row.session, counter: row.counter } },
    );
  }

  /**
   * Notes a heartbeat whose signature was checked.
   * @throws BCDB_HEARTBEAT_STALE, BCDB_BUSY, BCDB_PRESENCE_FULL
   */
  see(heartbeat: Heartbeat): void {
    this.requireNew(heartbeat);
    const { node, session, counter, at } = heartbeat;
    const former = this.#row(node);
    if (former === undefined && this.#size >= this.#nodesMax) throw full(this.#nodesMax);
    const nowMs = this.#options.clock.monotonicMs();
    const dueMs = Math.max(former?.dueMs ?? 0, nowMs) + intervalMs;
    if (dueMs - nowMs > (heartbeatsBurstMax + 1) * intervalMs) throw tooMany(node);
    const standing = this.#standing(node);
    if (standing !== undefined) this.#rows[standing].delete(node);
    const row: Row = { node, session, counter, seenAtMs: nowMs, isAssumed: false, at, dueMs };
    this.#rows.alive.set(node, row);
    if (standing !== 'alive' || former?.session !== session) this.#tell(node);
    this.#schedule();
  }

  /** What is known of a node; undefined when it was not seen for a day, or ever. */
  get(node: NodeId): NodePresence | undefined {
    const standing = this.#standing(node);
    const row = standing && this.#rows[standing].get(node);
    return row && this.#presence(row, standing);
  }

  /** All nodes, those that were silent for longest first. */
  *list(): Generator<NodePresence> {
    for (const standing of standings.toReversed()) {
      for (const row of this.#rows[standing].values()) yield this.#presence(row, standing);
    }
  }

  counts(): Readonly<Record<Standing, number>> {
    const { alive, suspect, gone } = this.#rows;
    return { alive: alive.size, suspect: suspect.size, gone: gone.size };
  }

  /**
   * Changes of standing and session from now on; `list` tells how it is at this moment.
   * @throws BCDB_WATCHERS_FULL
   */
  watch({ signal }: { readonly signal?: AbortSignal } = {}): AsyncIterableIterator<NodePresence> {
    if (this.#watches.size >= presenceWatchersMax) {
      throw new GridError<BcdbErrorCode>('BCDB_WATCHERS_FULL', 'no more watchers of presence', {
        retryable: true,
        details: { limit: presenceWatchersMax },
      });
    }
    const onAbort = (): void => watch.end();
    const watch = new PresenceWatch<NodePresence>(
      (node) => this.get(node),
      () => {
        this.#watches.delete(watch);
        signal?.removeEventListener('abort', onAbort);
      },
    );
    this.#watches.add(watch);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true || this.#isClosed) watch.end();
    return watch;
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const watch of this.#watches) watch.end();
  }

  get #nodesMax(): number {
    return this.#options.nodesMax ?? presenceNodesMax;
  }

  get #size(): number {
    const { alive, suspect, gone } = this.#rows;
    return alive.size + suspect.size + gone.size;
  }

  #standing(node: NodeId): Standing | undefined {
    return standings.find((standing) => this.#rows[standing].has(node));
  }

  #row(node: NodeId): Row | undefined {
    const { alive, suspect, gone } = this.#rows;
    return alive.get(node) ?? suspect.get(node) ?? gone.get(node);
  }

  #presence({ node, session, seenAtMs, isAssumed, at }: Row, standing: Standing): NodePresence {
    const silentMs = Math.max(0, this.#options.clock.monotonicMs() - seenAtMs);
    const known = { node, standing, session, silentMs, isAssumed };
    return at === undefined ? known : { ...known, at };
  }

  #tell(node: NodeId): void {
    for (const watch of this.#watches) watch.notify(node);
  }

  /** One timer, for the first node whose silence gets too long. */
  #schedule(): void {
    const dueMs = Math.min(...this.#moves.map(([rows, afterMs]) => firstSeen(rows) + afterMs));
    if (dueMs >= this.#timerDueMs || this.#isClosed) return;
    const { clock } = this.#options;
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = clock.setTimer(Math.max(1, dueMs - clock.monotonicMs()), () => {
      this.#timerDueMs = Number.POSITIVE_INFINITY;
      this.#sweep();
      this.#schedule();
    });
  }

  #sweep(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [rows, afterMs, next] of this.#moves) {
      for (const [node, row] of rows) {
        if (nowMs - row.seenAtMs < afterMs) break;
        rows.delete(node);
        if (next === undefined) continue;
        next.set(node, row);
        this.#tell(node);
      }
    }
  }
}

const standings = ['alive', 'suspect', 'gone'] as const;

const intervalMs = 1000 / heartbeatsPerSecondMax;

function firstSeen(rows: ReadonlyMap<NodeId, Row>): number {
  for (const { seenAtMs } of rows.values()) return seenAtMs;
  return Number.POSITIVE_INFINITY;
}

function full(limit: number): GridError<BcdbErrorCode> {
  return new GridError('BCDB_PRESENCE_FULL', `there is room for ${limit} nodes`, {
    details: { limit },
  });
}

function tooMany(node: NodeId): GridError<BcdbErrorCode> {
  return new GridError('BCDB_BUSY', `${node} sends more heartbeats than are taken`, {
    hint: `send ${heartbeatsPerSecondMax} a second at most`,
    retryable: true,
  });
}
