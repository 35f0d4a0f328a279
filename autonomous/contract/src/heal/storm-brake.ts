import type { NodeId } from '@commongrid/model';

/** Nodes that vanish within this time count together, ms. */
const windowMs = 60_000;
/** So many may always vanish. */
const vanishedMin = 2;

interface Sign {
  readonly isAlive: boolean;
  /** Since when, by the monotonic clock; undefined where it was so from the first look on. */
  readonly sinceMs: number | undefined;
}

/** What a brake saw, for the one of the next process. Plain JSON. */
export interface BrakeNotes {
  /** Nodes, whether they were alive, and for how long that was so, ms; without it from the first look on. */
  readonly signs: readonly {
    readonly node: NodeId;
    readonly isAlive: boolean;
    readonly forMs?: number;
  }[];
  /** The nodes that were alive before, while the brake is on. */
  readonly before?: readonly NodeId[];
}

/** What was seen of nodes so long ago says nothing of what vanishes now, ms. */
const signsAgeMsMax = 600_000;

/**
 * Notices that a large part of a grid goes away at once. Then it is rather the network, or whoever
 * looks, that failed, and moving everything would do more harm than waiting.
 *
 * It is on when more than two, and more than a third, of the nodes that were alive within 60 s are not
 * any more; it is off again when two thirds of those are back, or when the owner says so.
 */
export class StormBrake {
  readonly #signs = new Map<NodeId, Sign>();
  /** The nodes that were alive before, while the brake is on. */
  #before: ReadonlySet<NodeId> | undefined;
  #changes = 0;

  get isOn(): boolean {
    return this.#before !== undefined;
  }

  /** Another number whenever it saw something else than before. */
  get changes(): number {
    return this.#changes;
  }

  notes(nowMs: number): BrakeNotes {
    const before = this.#before;
    return {
      signs: [...this.#signs].map(([node, { isAlive, sinceMs }]) => {
        return { node, isAlive, ...(sinceMs === undefined ? {} : { forMs: nowMs - sinceMs }) };
      }),
      ...(before === undefined ? {} : { before: [...before] }),
    };
  }

  /**
   * Goes on where another one was: what was alive then and is not now vanished.
   * @param ageMs how old the notes are
   */
  resume({ signs, before }: BrakeNotes, nowMs: number, ageMs: number): void {
    if (ageMs <= signsAgeMsMax) {
      for (const { node, isAlive, forMs } of signs) {
        const sinceMs = forMs === undefined ? undefined : nowMs - ageMs - forMs;
        this.#signs.set(node, { isAlive, sinceMs });
      }
    }
    if (before !== undefined) this.#before = new Set(before);
  }

  /** Nodes of which it has to hear whether they are back, though nothing runs on them any more. */
  get nodes(): ReadonlySet<NodeId> {
    return new Set([...this.#signs.keys(), ...(this.#before ?? [])]);
  }

  /**
   * @param alive of the watched nodes and of `nodes`, those that are alive now
   * @param watched nodes that something runs on
   */
  note(nowMs: number, alive: ReadonlySet<NodeId>, watched: ReadonlySet<NodeId>): void {
    this.#leave(watched);
    const isFirst = this.#signs.size === 0;
    for (const node of new Set([...this.#signs.keys(), ...alive])) {
      const isAlive = alive.has(node);
      if (this.#signs.get(node)?.isAlive === isAlive) continue;
      this.#changes++;
      this.#signs.set(node, { isAlive, sinceMs: isFirst ? undefined : nowMs });
    }
    this.#forget(nowMs);
    const former = this.#before;
    if (former === undefined) this.#before = this.#storm();
    else if (isBack(former, alive)) this.#before = undefined;
    if (this.#before !== former) this.#changes++;
  }

  /** The owner looked, and wants what is gone to be replaced. What is gone by now counts no more. */
  release(): void {
    this.#changes++;
    this.#before = undefined;
    for (const [node, { isAlive }] of this.#signs) if (!isAlive) this.#signs.delete(node);
  }

  /** Nobody looks at a node any more that was well: it did not vanish. */
  #leave(watched: ReadonlySet<NodeId>): void {
    const left = new Set<NodeId>();
    for (const [node, { isAlive }] of this.#signs) {
      if (isAlive && !watched.has(node)) left.add(node);
    }
    for (const node of left) this.#signs.delete(node);
  }

  #storm(): ReadonlySet<NodeId> | undefined {
    const vanished = [...this.#signs].filter(([, { isAlive }]) => !isAlive);
    // Who came within the window counts on either side: else a grid that just began would be in a storm
    // with the first three nodes that it loses, until those are back.
    const before = new Set(this.#signs.keys());
    const isStorm = vanished.length > Math.max(vanishedMin, before.size / 3);
    return isStorm ? before : undefined;
  }

  /** What is away for longer was not alive at the beginning of the window. */
  #forget(nowMs: number): void {
    for (const [node, { isAlive, sinceMs }] of this.#signs) {
      if (!isAlive && isAgo(nowMs, sinceMs)) this.#signs.delete(node);
    }
  }
}

function isAgo(nowMs: number, sinceMs: number | undefined): boolean {
  return sinceMs === undefined || nowMs - sinceMs >= windowMs;
}

function isBack(before: ReadonlySet<NodeId>, alive: ReadonlySet<NodeId>): boolean {
  const back = [...before].filter((node) => alive.has(node)).length;
  return back * 3 >= before.size * 2;
}
