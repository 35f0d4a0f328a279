import type { NodeId } from '@commongrid/model';

/** What a watcher is told of: the standing of a node as it is when the watcher takes it. */
export type Look<T> = (node: NodeId) => T | undefined;

/**
 * Changes for one watcher. It holds the names of nodes that changed, not the changes: who is slow
 * learns the newest standing of each node and misses what came in between, so that it never holds
 * more than there are nodes.
 */
export class PresenceWatch<T> implements AsyncIterableIterator<T> {
  readonly #look: Look<T>;
  readonly #onEnd: (watch: PresenceWatch<T>) => void;
  readonly #changed = new Set<NodeId>();
  #wake: (() => void) | undefined;
  #isEnded = false;

  constructor(look: Look<T>, onEnd: (watch: PresenceWatch<T>) => void) {
    this.#look = look;
    this.#onEnd = onEnd;
  }

  notify(node: NodeId): void {
    this.#changed.add(node);
    this.#wake?.();
  }

  /** The iteration ends; idempotent. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#changed.clear();
    this.#onEnd(this);
    this.#wake?.();
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    for (;;) {
      const value = this.#take();
      if (value !== undefined) return { done: false, value };
      if (this.#isEnded) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(): T | undefined {
    for (const node of this.#changed) {
      this.#changed.delete(node);
      const value = this.#look(node);
      if (value !== undefined) return value;
    }
    return undefined;
  }
}
