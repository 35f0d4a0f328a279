import { moveWithinMs } from '@commongrid/model';
import type { NodeId } from '@commongrid/model';
import type { HeardNode } from '../controller/ports.ts';

/**
 * What a controller takes a node for. `cutOff`: silent, but a probe reached the machine, so it is rather
 * the network between that failed, and nothing is moved.
 */
export type NodeOutlook = 'alive' | 'suspect' | 'cutOff' | 'lost';

/** Silence after which a node is suspected, and replaced, ms. */
export interface Patience {
  readonly suspectAfterMs: number;
  readonly replaceAfterMs: number;
}

/** Least time between two probes of one node, ms. */
const probeEveryMs = 1_000;

interface Hearing {
  readonly nowMs: number;
  readonly heardMs: number;
  readonly at: number;
}

interface Watched {
  readonly patience: Patience;
  readonly silentMs: number;
  /** Of the newest probe that ended, and when one was answered last. */
  readonly probe?: { readonly startedMs: number; readonly answeredMs: number };
  readonly isProbing?: true;
}

/**
 * How long nodes are silent, by what is heard of them and by probes. Times are those of a monotonic
 * clock, ms. What a controller did not hear itself counts from its own start, so one that was just
 * started takes nobody for lost, unless the log shows that a move was begun already.
 */
export class NodeWatch {
  readonly #startedMs: number;
  readonly #canProbe: boolean;
  #nodes = new Map<NodeId, Watched>();
  #nowMs: number;
  #heardMs = Number.NEGATIVE_INFINITY;
  #heardAt = 0;
  #givenUp: ReadonlySet<NodeId> = new Set();

  constructor(nowMs: number, { canProbe }: { readonly canProbe: boolean }) {
    this.#startedMs = nowMs;
    this.#nowMs = nowMs;
    this.#canProbe = canProbe;
  }

  /**
   * @param heardMs when it was asked what is heard
   * @param at log time before that, ms since 1970
   * @param wanted nodes that something runs on, each with the least patience of its contracts
   */
  note(
    { nowMs, heardMs, at }: Hearing,
    wanted: ReadonlyMap<NodeId, Patience>,
    heard: ReadonlyMap<NodeId, HeardNode>,
  ): void {
    this.#nowMs = nowMs;
    this.#heardMs = heardMs;
    this.#heardAt = at;
    const nodes = new Map<NodeId, Watched>();
    for (const [node, patience] of wanted) {
      const silentMs = heard.get(node)?.silentMs ?? Infinity;
      const { probe, isProbing } = this.#nodes.get(node) ?? {};
      // An answer from before it was heard again says nothing of the next silence.
      const isOld = silentMs < patience.suspectAfterMs;
      nodes.set(node, {
        ...{ patience, silentMs },
        ...(probe === undefined || isOld ? {} : { probe }),
        ...(isProbing === undefined ? {} : { isProbing }),
      });
    }
    this.#nodes = nodes;
    if (this.#givenUp.size > 0) this.#givenUp = new Set(this.silent()).intersection(this.#givenUp);
  }

  /** The owner looked: those that are not heard of now do not come back. One that is heard again did. */
  giveUp(): void {
    this.#givenUp = new Set(this.silent());
  }

  isGivenUp(node: NodeId): boolean {
    return this.#givenUp.has(node);
  }

  /** Nodes that are not heard of, whoever began to watch when. */
  *silent(): Generator<NodeId> {
    for (const [node, { silentMs, patience }] of this.#nodes) {
      if (silentMs >= patience.suspectAfterMs) yield node;
    }
  }

  /** Nodes that are to be asked now; each is on its way until `noteProbe`. */
  *toProbe(): Generator<NodeId> {
    for (const [node, watched] of this.#nodes) {
      const { patience, probe, isProbing } = watched;
      if (isProbing === true || this.#silence(watched) < patience.suspectAfterMs) continue;
      if (probe !== undefined && this.#nowMs - probe.startedMs < probeEveryMs) continue;
      this.#nodes.set(node, { ...watched, isProbing: true });
      yield node;
    }
  }

  noteProbe(node: NodeId, startedMs: number, isAnswered: boolean): void {
    const watched = this.#nodes.get(node);
    if (watched === undefined) return;
    const { isProbing: _over, ...rest } = watched;
    const answeredMs = isAnswered ? startedMs : (watched.probe?.answeredMs ?? -Infinity);
    this.#nodes.set(node, { ...rest, probe: { startedMs, answeredMs } });
  }

  /**
   * @param isBegun the log shows that a replica was being moved away: the controller's own start counts
   * for nothing then
   */
  outlook(node: NodeId, patience: Patience, isBegun = false): NodeOutlook {
    const watched = this.#nodes.get(node);
    if (watched === undefined) return 'alive';
    const silentMs = this.#silence(watched, isBegun);
    if (silentMs < patience.suspectAfterMs) return 'alive';
    const { probe } = watched;
    const sinceAnswerMs = this.#nowMs - (probe?.answeredMs ?? -Infinity);
    if (sinceAnswerMs < patience.replaceAfterMs) return 'cutOff';
    if (silentMs < patience.replaceAfterMs) return 'suspect';
    return this.#canProbe && probe === undefined ? 'suspect' : 'lost';
  }

  /** Whether it is lost by what was heard just now, so that a replica may be moved away from there. */
  isStillLost(node: NodeId, patience: Patience, nowMs: number): boolean {
    if (nowMs - this.#heardMs > moveWithinMs) return false;
    return this.outlook(node, patience, true) === 'lost';
  }

  /** Log time before which a move away from a node that is lost has to be in the log, ms since 1970. */
  get movesBeforeMs(): number {
    return this.#heardAt + moveWithinMs;
  }

  #silence({ silentMs }: Watched, isBegun = false): number {
    return isBegun ? silentMs : Math.min(silentMs, this.#nowMs - this.#startedMs);
  }
}
