import type { Clock } from '@commongrid/base';
import type { Namespace } from '../engine/namespace.ts';
import type { Store } from '../engine/store.ts';
import type { Command } from './command.ts';
import type { Session } from './session.ts';

interface Watcher {
  readonly session: Session;
  /** Undefined: any command. */
  readonly command: Command | undefined;
  readonly wake: (command: Command | undefined) => void;
  /** What it saw, and the sequence that must be on disk before it may say so. */
  seen: Command | undefined;
  sequence: number;
}

/**
 * Sessions that wait until another one in their namespace has run a command, and what that command
 * wrote is on disk.
 */
export class Watchers {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #awaitsDisk: boolean;
  readonly #waiting = new Set<Watcher>();

  constructor(store: Store, clock: Clock, awaitsDisk: boolean) {
    this.#store = store;
    this.#clock = clock;
    this.#awaitsDisk = awaitsDisk;
  }

  get count(): number {
    return this.#waiting.size;
  }

  /** The command that was run, or undefined when the time was up or the client has left. */
  wait(
    session: Session,
    command: Command | undefined,
    timeoutMs: number,
  ): Promise<Command | undefined> {
    const { signal } = session.connection;
    return new Promise((resolve) => {
      const wake = (seen: Command | undefined): void => {
        this.#waiting.delete(watcher);
        timer.cancel();
        signal.removeEventListener('abort', leave);
        resolve(seen);
      };
      const leave = (): void => wake(undefined);
      const watcher: Watcher = { session, command, wake, seen: undefined, sequence: 0 };
      const timer = this.#clock.setTimer(timeoutMs, leave);
      this.#waiting.add(watcher);
      signal.addEventListener('abort', leave, { once: true });
      if (signal.aborted) leave();
    });
  }

  /** A session has run a command. */
  ran(by: Session, command: Command): void {
    const { namespace } = by;
    for (const watcher of this.#waiting) {
      if (watcher.seen !== undefined || !isFor(watcher, by, namespace, command)) continue;
      watcher.seen = command;
      watcher.sequence = this.#store.log.lastSequence;
      if (!this.#awaitsDisk || watcher.sequence <= this.#store.log.durableSequence) {
        watcher.wake(command);
      }
    }
  }

  /** The log is on disk up to here. */
  durable(sequence: number): void {
    for (const watcher of this.#waiting) {
      if (watcher.seen !== undefined && watcher.sequence <= sequence) watcher.wake(watcher.seen);
    }
  }
}

function isFor(watcher: Watcher, by: Session, namespace: Namespace, command: Command): boolean {
  if (watcher.session === by || watcher.session.namespace !== namespace) return false;
  return watcher.command === undefined || watcher.command === command;
}
