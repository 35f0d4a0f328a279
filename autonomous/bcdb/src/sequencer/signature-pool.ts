import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { GridError } from '@commongrid/base';
import type { BaseErrorCode } from '@commongrid/base';
import type { Domain } from '@commongrid/crypto';
import { recordDomain } from '../record/entry.ts';

/** Signatures in one message to a worker, so that all workers get some. */
const signaturesPerJobMax = 64;

/**
 * What a worker is asked: payloads, each with its signature behind it, one after the other in `bytes`,
 * and where each ends.
 */
export interface SignatureJob {
  readonly id: number;
  readonly domain: Domain;
  readonly keys: readonly string[];
  readonly ends: readonly number[];
  readonly bytes: Uint8Array;
}

export interface SignatureResult {
  readonly id: number;
  readonly isValid: readonly boolean[];
}

interface Waiting {
  readonly key: string;
  readonly signed: Uint8Array;
  readonly settle: (isValid: boolean) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Checks signatures beside the main thread: they are most of what a record costs. Those of one domain
 * that come in one turn of the event loop travel together.
 */
export class SignaturePool implements AsyncDisposable {
  readonly #workers: readonly Worker[];
  readonly #jobs = new Map<number, readonly Waiting[]>();
  #waiting = new Map<Domain, Waiting[]>();
  #nextId = 0;
  #failure: unknown;

  private constructor(workers: readonly Worker[]) {
    this.#workers = workers;
    for (const worker of workers) {
      worker.unref();
      worker.on('message', (result: SignatureResult) => this.#finish(result));
      worker.on('error', (error) => this.#fail(error));
    }
  }

  /** Default: a worker for each core but one. */
  static open(count: number = Math.max(1, availableParallelism() - 1)): SignaturePool {
    const file = new URL('./signature-worker.ts', import.meta.url);
    return new SignaturePool(Array.from({ length: count }, () => new Worker(file)));
  }

  /**
   * Whether `key` signed a payload for a domain.
   * @param signed the payload and 64 bytes of signature, as in the leaf of a record
   */
  check(key: string, signed: Uint8Array, domain: Domain = recordDomain): Promise<boolean> {
    if (this.#failure !== undefined) return Promise.reject(closed(this.#failure));
    return new Promise((settle, fail) => {
      if (this.#waiting.size === 0) setImmediate(() => this.#send());
      const waiting = this.#waiting.get(domain);
      if (waiting === undefined) this.#waiting.set(domain, [{ key, signed, settle, fail }]);
      else waiting.push({ key, signed, settle, fail });
    });
  }

  async close(): Promise<void> {
    this.#fail(new Error('the pool was closed'));
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #send(): void {
    const all = this.#waiting;
    this.#waiting = new Map();
    for (const [domain, waiting] of all) {
      const share = Math.ceil(waiting.length / this.#workers.length);
      const size = Math.max(1, Math.min(signaturesPerJobMax, share));
      for (let from = 0; from < waiting.length; from += size) {
        this.#post(domain, waiting.slice(from, from + size));
      }
    }
  }

  #post(domain: Domain, group: readonly Waiting[]): void {
    const bytes = new Uint8Array(group.reduce((sum, { signed }) => sum + signed.length, 0));
    const ends: number[] = [];
    let at = 0;
    for (const { signed } of group) {
      bytes.set(signed, at);
      at += signed.length;
      ends.push(at);
    }
    const id = this.#nextId++;
    this.#jobs.set(id, group);
    const job: SignatureJob = { id, domain, keys: group.map(({ key }) => key), ends, bytes };
    this.#workers[id % this.#workers.length]?.postMessage(job, [bytes.buffer]);
  }

  #finish({ id, isValid }: SignatureResult): void {
    const group = this.#jobs.get(id) ?? [];
    this.#jobs.delete(id);
    for (const [index, { settle }] of group.entries()) settle(isValid[index] === true);
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    const all = [...this.#waiting.values(), ...this.#jobs.values()].flat();
    this.#waiting.clear();
    this.#jobs.clear();
    for (const { fail } of all) fail(closed(error));
  }
}

function closed(cause: unknown): GridError<BaseErrorCode> {
  return new GridError('BASE_CLOSED', 'signatures are not checked any more', { cause });
}
