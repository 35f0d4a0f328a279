import { Mutex } from '@commongrid/base';

/** One at a time for each id, in order of arrival. */
export class IdLocks {
  readonly #locks = new Map<string, { readonly mutex: Mutex; users: number }>();

  async run<T>(id: string, fn: () => Promise<T>): Promise<T> {
    const lock = this.#locks.get(id) ?? { mutex: new Mutex(), users: 0 };
    this.#locks.set(id, lock);
    lock.users++;
    try {
      return await lock.mutex.run(fn);
    } finally {
      lock.users--;
      if (lock.users === 0) this.#locks.delete(id);
    }
  }

  /** Resolves when everything that was begun before is over. */
  async idle(): Promise<void> {
    await Promise.all([...this.#locks.keys()].map((id) => this.run(id, async () => {})));
  }
}
