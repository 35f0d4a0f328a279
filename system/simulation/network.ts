import { GridError } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import type { Machine } from './machine.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface NetworkOptions {
  readonly time: VirtualTime;
  readonly random: Random;
  /** Shortest and longest way of a message, ms. */
  readonly delayMs: readonly [number, number];
  /** Part of all messages that is lost at first and sent again, as TCP does: 0 to 1. */
  readonly loss: number;
}

/** How long it takes until a lost message was sent again, ms. */
const resendMs = [200, 1_500] as const;

export interface CallOptions {
  /** By the clock of whoever calls. Default 2 s. */
  readonly timeoutMs?: number;
}

/**
 * Messages between machines: each takes its own time, so that later ones overtake earlier ones; and
 * ways can be cut, also in one direction alone: what is sent then is lost.
 */
export class Network {
  readonly #options: NetworkOptions;
  /** Ways that take longer, `FROM TO`, by so many ms. */
  readonly #slow = new Map<string, number>();
  /** Ways that are cut, `FROM TO`, and how often. */
  readonly #cut = new Map<string, number>();

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** Cuts ways until the answer is called. */
  cut(ways: readonly (readonly [Machine, Machine])[]): () => void {
    const keys = ways.map(([from, to]) => `${from.name} ${to.name}`);
    for (const key of keys) this.#cut.set(key, (this.#cut.get(key) ?? 0) + 1);
    return () => {
      for (const key of keys) this.#cut.set(key, (this.#cut.get(key) ?? 1) - 1);
    };
  }

  /** Lets a way take longer until the answer is called. */
  slow(from: Machine, to: Machine, byMs: number): () => void {
    const key = `${from.name} ${to.name}`;
    this.#slow.set(key, (this.#slow.get(key) ?? 0) + byMs);
    return () => void this.#slow.set(key, (this.#slow.get(key) ?? byMs) - byMs);
  }

  isCut(from: Machine, to: Machine): boolean {
    return (this.#cut.get(`${from.name} ${to.name}`) ?? 0) > 0;
  }

  /** Brings something to a machine, if the way is there now and the machine is on then. */
  send(from: Machine, to: Machine, deliver: () => void): void {
    const { time, random, delayMs, loss } = this.#options;
    const [least, most] = delayMs;
    const wayMs = least + random.float() * (most - least);
    const againMs = random.float() < loss ? random.int(...resendMs) : 0;
    if (this.isCut(from, to)) return;
    const arrive = (): void => {
      if (to.isOn) deliver();
    };
    const slowMs = this.#slow.get(`${from.name} ${to.name}`) ?? 0;
    time.after(wayMs + againMs + slowMs, arrive, to.name);
  }

  /**
   * Asks another machine, which may take its time to answer. What it does is done also when the answer
   * is lost. @throws BASE_TIMEOUT, and what the other machine throws
   */
  call<T>(
    from: Machine,
    to: Machine,
    handle: () => T | Promise<T>,
    { timeoutMs = 2_000 }: CallOptions = {},
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const { run } = from;
    const timer = from.setTimer(timeoutMs, () => {
      reject(new GridError('BASE_TIMEOUT', `${to.name} did not answer`, { retryable: true }));
    });
    const answer = (settle: () => void): void => {
      this.send(to, from, () => {
        if (from.run !== run) return;
        timer.cancel();
        settle();
      });
    };
    this.send(from, to, () => {
      void Promise.try(handle).then(
        (value) => answer(() => resolve(value)),
        (error: unknown) => answer(() => reject(error)),
      );
    });
    return promise;
  }
}
