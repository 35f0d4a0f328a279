import { GridError } from '@commongrid/base';
import type { NodeErrorCode } from '../errors.ts';
import type { Wish } from './wish.ts';

/**
 * Refuses to restart what is paused, stopped or deleted, or of which no record says yet that it is to run: nobody
 * would begin it. @throws NODE_RESTART_UNWANTED
 */
export function requireWanted(wish: Wish['is'] | undefined): void {
  if (wish === 'running') return;
  const message =
    wish === undefined
      ? 'no record says yet that it is to run'
      : `it is to be ${wish}, and not to run`;
  throw new GridError<NodeErrorCode>('NODE_RESTART_UNWANTED', message, {
    hint:
      wish === undefined
        ? 'try again once its node has read the log: grid node status'
        : 'see what it is to be: grid node workloads',
    retryable: wish === undefined,
  });
}

/** That a workload is to end and begin again, by a word of its owner. Whoever asks waits for that. */
export class RestartOrder {
  #isOpen = false;
  #begun: PromiseWithResolvers<void> | undefined;

  /** Whether it was asked for, and has not happened yet. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /**
   * Asks for it. Resolves once it runs again, for all who asked meanwhile.
   * @throws what the next step fails with, NODE_RESTART_OVERTAKEN
   */
  ask(): Promise<void> {
    this.#isOpen = true;
    this.#begun ??= Promise.withResolvers();
    // Whoever asked may have hung up.
    this.#begun.promise.catch(() => {});
    return this.#begun.promise;
  }

  /** It runs again. */
  done(): void {
    this.#isOpen = false;
    this.#begun?.resolve();
    this.#begun = undefined;
  }

  /** A step failed. Nobody waits any more; it is tried again, as any step is. */
  fail(error: unknown): void {
    this.#begun?.reject(error);
    this.#begun = undefined;
  }

  /** It is to be something else now, or nobody looks after it any more. */
  overtaken(): void {
    this.#isOpen = false;
    this.fail(
      new GridError<NodeErrorCode>('NODE_RESTART_OVERTAKEN', 'it is to be something else by now', {
        hint: 'see what it is to be: grid node workloads',
      }),
    );
  }
}
