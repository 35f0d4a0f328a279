import type { Assignment } from './assignment.ts';

/** What there is of a workload on this machine. */
export type Observation =
  /** Nothing, or data only. */
  | { readonly state: 'absent' }
  /** All is in place, and was not started yet or was stopped. */
  | { readonly state: 'prepared' }
  | {
      readonly state: 'running';
      readonly sinceMs: number;
      /** What it needs and has no more, while it runs on. */
      readonly lost?: Loss | undefined;
    }
  /** It ended by itself. */
  | {
      readonly state: 'ended';
      readonly atMs: number;
      readonly exitCode: number;
      /** The kernel ended it because it used more memory than it has. */
      readonly isOutOfMemory: boolean;
    };

/** `supervisor`: nobody sees how it ends; `image`: its files cannot be read any more. */
export type Loss = 'supervisor' | 'image';

/** How far a long step is. */
export interface Progress {
  /** `image`, `restore`. */
  readonly what: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface DriverContext {
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

/**
 * Makes workloads of one kind true. Every call may come again, after whatever was left of an earlier
 * one by a kill, and comes to the same; calls about one workload come one after the other. `key` is
 * the name of a workload on this machine, `Assignment.key`.
 */
export interface Driver {
  /** Brings into place all that it needs. Nothing of it runs yet. */
  prepare(assignment: Assignment, context: DriverContext): Promise<void>;
  /** Starts what is prepared, or ended; resolves once its first process runs. */
  start(assignment: Assignment, context: DriverContext): Promise<void>;
  /**
   * What runs is this process's to look after from now on: called after a start, and when an agent
   * finds it running.
   */
  attend(assignment: Assignment): Promise<void>;
  observe(key: string, signal: AbortSignal): Promise<Observation>;
  /** Whether it works, by the role's health. @throws why not */
  probe(assignment: Assignment, signal: AbortSignal): Promise<void>;
  /** Ends what runs. What is in place stays. */
  stop(assignment: Assignment, context: DriverContext): Promise<void>;
  /** Takes away all but data: mounts, namespaces, processes, bundles. */
  release(key: string, context: DriverContext): Promise<void>;
  /** Deletes its data, too. Only ever called for what a verified tombstone names. */
  destroy(key: string, context: DriverContext): Promise<void>;
  /** Every workload of this kind that left anything on this machine, and the bytes of its data. */
  list(signal: AbortSignal): Promise<readonly Remains[]>;
  /** Calls the listener with the key of what may have changed by itself, such as ended. */
  watch(listener: (key: string) => void): Disposable;
}

export interface Remains {
  readonly key: string;
  readonly dataBytes: number;
}
