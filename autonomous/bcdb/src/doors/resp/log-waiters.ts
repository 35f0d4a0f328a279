import { abortError, GridError, throwIfAborted } from '@commongrid/base';
import type { Database } from '../../database.ts';
import type { BcdbErrorCode } from '../../errors.ts';
import { logNamespace } from '../../record/system-records.ts';
import type { EffectBatch } from '../../state/effect.ts';

/** Connections that wait for records at one time. */
const waitersMax = 1000;

/** What somebody waits for: records of one of these namespaces; any when undefined. */
interface Waiter {
  readonly namespaces: ReadonlySet<string> | undefined;
  readonly wake: () => void;
}

/** Wakes those who wait for records of a stream. */
export class LogWaiters {
  readonly #bcdb: Database;
  readonly #waiting = new Set<Waiter>();
  readonly #unlisten: () => void;

  constructor(bcdb: Database) {
    this.#bcdb = bcdb;
    this.#unlisten = bcdb.listen((batch) => this.#appended(batch));
  }

  get count(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves once there may be records of these namespaces (any, when one is undefined) at or above
   * `size`; rejects with the signal's reason.
   * @throws BCDB_BUSY
   */
  async past(
    size: number,
    namespaces: readonly (string | undefined)[],
    signal: AbortSignal,
  ): Promise<void> {
    throwIfAborted(signal);
    if (this.#bcdb.head.size > size) return;
    if (this.#waiting.size >= waitersMax) throw busy();
    await new Promise<void>((resolve, reject) => {
      const waiter: Waiter = {
        namespaces: namedSet(namespaces),
        wake: () => {
          this.#waiting.delete(waiter);
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = (): void => {
        this.#waiting.delete(waiter);
        reject(abortError(signal));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(waiter);
    });
  }

  close(): void {
    this.#unlisten();
  }

  #appended({ effects }: EffectBatch): void {
    if (this.#waiting.size === 0) return;
    const touched = new Set(effects.map(({ ns }) => ns));
    for (const { namespaces, wake } of this.#waiting) {
      if (namespaces === undefined || !namespaces.isDisjointFrom(touched)) wake();
    }
  }
}

/** Records of the log's own namespace have no effects: who waits for them waits for any. */
function namedSet(namespaces: readonly (string | undefined)[]): ReadonlySet<string> | undefined {
  const named = new Set<string>();
  for (const ns of namespaces) {
    if (ns === undefined || ns === logNamespace) return undefined;
    named.add(ns);
  }
  return named;
}

function busy(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_BUSY', `${waitersMax} connections wait for records already`, {
    hint: 'ask again later, or without waiting',
    retryable: true,
  });
}
