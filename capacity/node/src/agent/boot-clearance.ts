import type { NodeState } from '@commongrid/model';
import type { FactStore } from '../machine/machine.ts';

/** What the log says, as the node has it now. */
export interface BootSigns {
  /** The node, by the records that it has. */
  readonly node: NodeState | undefined;
  /** Age of the newest word on what is in the log, s. */
  readonly viewAgeSeconds: number;
  readonly monotonicMs: number;
}

/** `wait`: it is not known yet. `cloned`: another machine has the key of this node. */
export type BootVerdict = 'clear' | 'wait' | 'cloned';

/** The log is heard when its newest word is at most so old, s. */
const heardSeconds = 10;
/** Without a word of the log a boot counts as the only one after so long, ms. */
const unheardMs = 5_000;
/** For a session to be in the log, and for another machine to object to it, ms. */
const sayMs = 20_000;
const objectMs = 10_000;

/**
 * Whether a machine that booted may start what its disk says that it ran. A copy of a node's disk and
 * a node after a reboot look alike, so each boot says its session first, and then gives a machine that
 * is at work in an earlier one time to object. Where the log is away nobody can: then it goes on. Once
 * clear, a boot stays so, also for later agents.
 */
export class BootClearance {
  readonly #facts: FactStore;
  readonly #bootId: string;
  readonly #openedMs: number;
  #wasHeard = false;
  #loggedMs: number | undefined;

  constructor(facts: FactStore, bootId: string, openedMs: number) {
    this.#facts = facts;
    this.#bootId = bootId;
    this.#openedMs = openedMs;
  }

  look(signs: BootSigns): BootVerdict {
    if (this.#facts.fact(bootFact) === this.#bootId) return 'clear';
    if (signs.node?.cloned !== undefined) {
      this.#loggedMs = undefined;
      return 'cloned';
    }
    if (!this.#isClear(signs)) return 'wait';
    this.#facts.setFact(bootFact, this.#bootId);
    return 'clear';
  }

  #isClear({ node, viewAgeSeconds, monotonicMs }: BootSigns): boolean {
    this.#wasHeard ||= viewAgeSeconds <= heardSeconds;
    const openMs = monotonicMs - this.#openedMs;
    if (!this.#wasHeard) return openMs >= unheardMs;
    const { session } = node ?? {};
    if (session?.bootId !== this.#bootId) {
      this.#loggedMs = undefined;
      return openMs >= sayMs;
    }
    // Nobody was there before it.
    if (session.n === 1) return true;
    this.#loggedMs ??= monotonicMs;
    return monotonicMs - this.#loggedMs >= objectMs;
  }
}

const bootFact = 'boot';
