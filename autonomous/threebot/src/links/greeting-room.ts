import { GridError } from '@commongrid/base';
import type { WebSocket } from 'ws';
import type { BotLimits } from '../config.ts';
import type { BotErrorCode } from '../errors.ts';

export type GreetingLimits = Pick<BotLimits, 'greetingsMax' | 'greetingsPerAddressMax'>;

/** Places for connections that came and have not said who they are: they take no room of links, and each address has so many. */
export class GreetingRoom {
  readonly #limits: GreetingLimits;
  readonly #sockets = new Set<WebSocket>();
  readonly #perAddress = new Map<string, number>();

  constructor(limits: GreetingLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** A place until what is given back is disposed of. @throws BOT_BUSY */
  enter(address: string, socket: WebSocket): Disposable {
    const { greetingsMax, greetingsPerAddressMax } = this.#limits;
    const count = this.#perAddress.get(address) ?? 0;
    if (this.#sockets.size >= greetingsMax) throw busy('greetings are under way', greetingsMax);
    if (count >= greetingsPerAddressMax) {
      throw busy('greetings are under way from your address', greetingsPerAddressMax);
    }
    this.#sockets.add(socket);
    this.#perAddress.set(address, count + 1);
    return {
      [Symbol.dispose]: () => {
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
