import type { ContractId } from '@commongrid/model';

import type { ArchiveScene } from '../../archive/archive-scene.ts';
import type { TrafficFigures } from '../../data/traffic.ts';

/** A fault that was brought about, and that all is well again after. */
export interface HealedFault {
  /** What was done: `machine killed`, `cable out`. Faults of one kind are told together. */
  readonly kind: string;
  /** Whom it befell: `be-1`, `farmer-ch`. */
  readonly victim: string;
  /** When it began, ms since 1970. */
  readonly atMs: number;
  /** From its begin until all was as it should be, ms. */
  readonly healedMs: number;
}

/** What a client outside `Traffic` did: one request. */
export interface ClientRequest {
  /** `page`, `redis`. */
  readonly kind: string;
  readonly tookMs: number;
  readonly passed: boolean;
}

export interface SoakWatchOptions {
  /** With its contract, its page where it has one, and traffic that goes on. */
  readonly scene: ArchiveScene;
  readonly note: (text: string) => void;
}

/** Holds promises against what truly happens while a soak goes on. */
export interface Watch extends AsyncDisposable {
  /**
   * Looks at all that can be seen while faults come and go. Not at the same time as another one of these calls.
   * @throws BrokenPromise the first that is broken
   */
  check(): Promise<void>;
  /** A fault is over: all has healed. Holds, besides, what is so only then: each place runs once, where it was placed. */
  healed(fault: HealedFault): Promise<void>;
  /** Notes what a client of the soak waited for. */
  request(request: ClientRequest): void;
  /** Waits until nothing of a contract that was removed is on any machine. All of them have power. */
  gone(contract: ContractId): Promise<void>;
  /**
   * Once faults and contracts of the soak are over, and the archive yet runs: ends its traffic, and holds everything once
   * more, with every object read back and the whole log verified. What is broken then is in the findings, and not thrown.
   */
  finish(): Promise<WatchFindings>;
}

/** How long something took, of so many. */
export interface Spread {
  readonly count: number;
  readonly medianMs: number;
  readonly worstMs: number;
}

/** Memory and open files of a long-lived process over the soak. */
export interface ProcessFindings {
  /** `database`, `agent of be-1`. */
  readonly name: string;
  /** Processes that had the name, one after the other: one that was killed begins anew. */
  readonly lives: number;
  /** Of all lives, bytes. */
  readonly largestBytes: number;
  /** Growth in the half of the longest life that is judged; absent where none is long enough for that. */
  readonly growth?: GrowthFigures;
}

export interface GrowthFigures {
  readonly bytesPerHour: number;
  readonly filesPerHour: number;
  /** Time that is judged, s. */
  readonly overSeconds: number;
  /** Whether it is no leak, by the rule of `isFlat`. */
  readonly isFlat: boolean;
}

/** What a soak showed. */
export interface WatchFindings {
  /** Promises that were found broken by `finish`. */
  readonly broken: readonly string[];
  /** Promises that were held, each with how often and with what figure, for people. */
  readonly promises: readonly {
    readonly name: string;
    readonly checks: number;
    readonly figure: string;
  }[];
  readonly healing: readonly (Spread & { readonly kind: string })[];
  readonly requests: readonly (Spread & { readonly kind: string; readonly failed: number })[];
  readonly traffic: TrafficFigures;
  readonly processes: readonly ProcessFindings[];
  readonly objects: number;
  /** Since it was opened. */
  readonly seconds: number;
}
