import { GridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { WebSocket } from 'ws';
import type { BotLimits } from '../config.ts';
import type { BotErrorCode } from '../errors.ts';

export type GreetingLimits = Pick<
  BotLimits,
  'greetingMs' | 'greetingsMax' | 'greetingsPerAddressMax'
>;

/**
 * Places for connections that came and have not said who they are: they take no room of links, each address has
 * so many, and none of them stays for longer than a greeting takes.
 */
export class GreetingRoom {
  readonly #limits: GreetingLimits;
  readonly #clock: Clock;
  readonly #sockets = new Set<WebSocket>();
  readonly #perAddress = new Map<string, number>();

  constructor(limits: GreetingLimits, clock: Clock = systemClock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** A place until what is given back is disposed of; when its time is up it is cut. @throws BOT_BUSY */
  enter(address: string, socket: WebSocket): Disposable {
    const { greetingMs, greetingsMax, greetingsPerAddressMax } = this.#limits;
    const count = this.#perAddress.get(address) ?? 0;
    if (this.#sockets.size >= greetingsMax) throw busy('greetings are under way', greetingsMax);
    if (count >= greetingsPerAddressMax) {
      throw busy('greetings are under way from your address', greetingsPerAddressMax);
    }
    this.#sockets.add(socket);
    this.#perAddress.set(address, count + 1);
    const timer = this.#clock.setTimer(greetingMs, () => socket.terminate());
    return {
      [Symbol.dispose]: () => {
        timer.cancel();
        this.#sockets.delete(socket);
        this.#leave(address);
      },
    };
  }

  /** Cuts all of them. */
  clear(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  #leave(address: string): void {
    const count = (this.#perAddress.get(address) ?? 1) - 1;
    if (count > 0) this.#perAddress.set(address, count);
    else this.#perAddress.delete(address);
  }
}

function busy(what: string, most: number): GridError<BotErrorCode> {
  return new GridError('BOT_BUSY', `${most} ${what}`, {
    hint: 'try again in a moment',
    retryable: true,
    details: { most },
  });
}
