import type { DatabaseSync } from 'node:sqlite';
import { inTransaction } from '@commongrid/base';

interface Waiting {
  /** Does its part; what is given back is called once all is committed. */
  readonly run: () => () => void;
  readonly reject: (error: unknown) => void;
}

/** Parts of one transaction; more wait for the next. */
const partsMax = 256;

/**
 * Puts what is to be changed in one turn of the event loop into one transaction, which is synced to disk
 * once. Each part is done whole or not at all; one that fails leaves the others as they are.
 */
export class CommitGroup {
  readonly #db: DatabaseSync;
  #waiting: Waiting[] = [];
  #isPlanned = false;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Resolves with what `work` gives once it is on disk. @throws what `work` throws */
  run<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const run = (): (() => void) => {
        const result = work();
        return () => resolve(result);
      };
      this.#waiting.push({ run, reject });
      if (this.#isPlanned) return;
      this.#isPlanned = true;
      setImmediate(() => this.#commit());
    });
  }

  #commit(): void {
    const parts = this.#waiting.slice(0, partsMax);
    this.#waiting = this.#waiting.slice(partsMax);
    this.#isPlanned = this.#waiting.length > 0;
    if (this.#isPlanned) setImmediate(() => this.#commit());
    let endings: readonly (() => void)[];
    try {
      endings = inTransaction(this.#db, () => parts.map((part) => this.#part(part)));
    } catch (error) {
      // Nothing of it is there, the parts that succeeded included.
      for (const { reject } of parts) reject(error);
      return;
    }
    for (const end of endings) end();
  }

  #part({ run, reject }: Waiting): () => void {
    this.#db.exec('SAVEPOINT part');
    try {
      return run();
    } catch (error) {
      // A full disk may have undone the whole transaction already.
      if (!this.#db.isTransaction) throw error;
      this.#db.exec('ROLLBACK TO part');
      return () => reject(error);
    } finally {
      if (this.#db.isTransaction) this.#db.exec('RELEASE part');
    }
  }
}
