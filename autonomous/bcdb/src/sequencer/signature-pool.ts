import { availableParallelism } from 'node:os';
import { closeOnce, GridError } from '@commongrid/base';
import type { BaseErrorCode } from '@commongrid/base';
import type { Domain } from '@commongrid/crypto';
import { recordDomain } from '../record/entry.ts';
import { SignatureLane } from './signature-lane.ts';

/** Signatures that are answered together: a longer line is not held up by the last of them. */
const signaturesPerGroupMax = 256;

/** Below this a second worker is not woken: that costs as much as checking so many. */
const signaturesPerJobMin = 4;

/**
 * What a worker is asked: payloads, each with its signature behind it, one after the other in `bytes`,
 * and where each ends.
 */
export interface SignatureJob {
  readonly id: number;
  readonly domain: Domain;
  /** Each key once, and which of them signed what: a batch has few authors. */
  readonly keys: readonly string[];
  readonly keyOf: Uint16Array;
  readonly ends: Uint32Array;
  readonly bytes: Uint8Array;
}

export interface SignatureResult {
  readonly id: number;
  /** 1 for each valid signature, 0 for each other. */
  readonly isValid: Uint8Array;
}

interface Waiting {
  readonly key: string;
  readonly signed: Uint8Array;
  readonly settle: (isValid: boolean) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Checks signatures beside the main thread: they are most of what a record costs. Those of one domain
 * that come in one turn of the event loop are shared out among the workers and answered together, so
 * that they can go on together: into one batch of the log.
 */
export class SignaturePool implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #lanes: readonly SignatureLane[];
  #waiting = new Map<Domain, Waiting[]>();
  #isClosed = false;

  private constructor(lanes: readonly SignatureLane[]) {
    this.#lanes = lanes;
    this.close = closeOnce(() => this.#close());
  }

  /**
   * Default: a worker for each core, as the main thread has little to do while it waits for them.
   * All but the first start when there is work for them.
   */
  static open(count: number = availableParallelism()): SignaturePool {
    const lanes = Array.from({ length: count }, () => new SignatureLane());
    lanes[0]?.warm();
    return new SignaturePool(lanes);
  }

  /**
   * Whether `key` signed a payload for a domain.
   * @param signed the payload and 64 bytes of signature, as in the leaf of a record
   */
  check(key: string, signed: Uint8Array, domain: Domain = recordDomain): Promise<boolean> {
    if (this.#isClosed) return Promise.reject(closed());
    return new Promise((settle, fail) => {
      if (this.#waiting.size === 0) setImmediate(() => this.#send());
      const waiting = this.#waiting.get(domain);
      if (waiting === undefined) this.#waiting.set(domain, [{ key, signed, settle, fail }]);
      else waiting.push({ key, signed, settle, fail });
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #send(): void {
    const all = this.#waiting;
    this.#waiting = new Map();
    for (const [domain, waiting] of all) {
      for (let from = 0; from < waiting.length; from += signaturesPerGroupMax) {
        void this.#checkGroup(domain, waiting.slice(from, from + signaturesPerGroupMax));
      }
    }
  }

  async #checkGroup(domain: Domain, group: readonly Waiting[]): Promise<void> {
    const share = Math.ceil(group.length / this.#lanes.length);
    const size = Math.max(signaturesPerJobMin, share);
    const jobs: Promise<() => void>[] = [];
    for (let from = 0; from < group.length; from += size) {
      jobs.push(this.#run(domain, group.slice(from, from + size)));
    }
    for (const answer of await Promise.all(jobs)) answer();
  }

  /** Resolves with what tells those who wait for a part of a group. */
  async #run(domain: Domain, part: readonly Waiting[]): Promise<() => void> {
    try {
      const isValid = await this.#idlest()?.run((id) => jobOf(id, domain, part));
      return () => part.forEach(({ settle }, index) => settle(isValid?.[index] === 1));
    } catch (error) {
      return () => part.forEach(({ fail }) => fail(error));
    }
  }

  #idlest(): SignatureLane | undefined {
    const load = Math.min(...this.#lanes.map((lane) => lane.load));
    return this.#lanes.find((lane) => lane.load === load);
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    for (const { fail } of [...this.#waiting.values()].flat()) fail(closed());
    this.#waiting.clear();
    await Promise.all(this.#lanes.map((lane) => lane.close(closed())));
  }
}

function jobOf(id: number, domain: Domain, group: readonly Waiting[]): SignatureJob {
  const bytes = new Uint8Array(group.reduce((sum, { signed }) => sum + signed.length, 0));
  const ends = new Uint32Array(group.length);
  const keyOf = new Uint16Array(group.length);
  const places = new Map<string, number>();
  let at = 0;
  for (const [index, { key, signed }] of group.entries()) {
    bytes.set(signed, at);
    at += signed.length;
    ends[index] = at;
    const place = places.get(key) ?? places.size;
    places.set(key, place);
    keyOf[index] = place;
  }
  return { id, domain, keys: [...places.keys()], keyOf, ends, bytes };
}

function closed(): GridError<BaseErrorCode> {
  return new GridError('BASE_CLOSED', 'signatures are not checked any more');
}
