import type { Socket } from 'node:net';
import type { ServerLimits } from './config.ts';
import { unsentBytes } from './socket-adapter.ts';

/** What a connection tells its watch. */
export interface StallFacts {
  readonly socket: Pick<Socket, 'bytesRead' | 'writableLength'>;
  /** The peer has begun a request and we wait for the rest of it. */
  readonly isOwedInput: boolean;
  /** Requests handled so far. */
  readonly requests: number;
  /** The output of all connections is above its limit. */
  readonly isUnderPressure: boolean;
}

/** Finds peers that stopped half way: in sending a request, or in taking their replies. */
export class StallWatch {
  readonly #limits: ServerLimits;
  #unsent = 0;
  #unsentSinceMs = 0;
  #inputSinceMs: number | undefined;
  #inputBytes = 0;
  #inputRequests = 0;

  constructor(limits: ServerLimits) {
    this.#limits = limits;
  }

  /** True when the peer has made no progress for too long. `nowMs` is monotonic. */
  check(nowMs: number, facts: StallFacts): boolean {
    return this.#isOutputStalled(nowMs, facts) || this.#isInputStalled(nowMs, facts);
  }

  #isOutputStalled(nowMs: number, { socket, isUnderPressure }: StallFacts): boolean {
    const unsent = unsentBytes(socket);
    if (unsent === 0 || unsent !== this.#unsent) {
      this.#unsent = unsent;
      this.#unsentSinceMs = nowMs;
      return false;
    }
    const { stallMs, pressureStallMs } = this.#limits;
    return nowMs - this.#unsentSinceMs >= (isUnderPressure ? pressureStallMs : stallMs);
  }

  #isInputStalled(nowMs: number, { socket, isOwedInput, requests }: StallFacts): boolean {
    if (!isOwedInput) {
      this.#inputSinceMs = undefined;
      return false;
    }
    const { stallMs, minProgressBytes } = this.#limits;
    const isNew = this.#inputSinceMs === undefined || requests !== this.#inputRequests;
    const hasProgress = socket.bytesRead - this.#inputBytes >= minProgressBytes;
    const isDue = nowMs - (this.#inputSinceMs ?? nowMs) >= stallMs;
    if (!isNew && isDue && !hasProgress) return true;
    if (isNew || isDue) {
      this.#inputSinceMs = nowMs;
      this.#inputBytes = socket.bytesRead;
      this.#inputRequests = requests;
    }
    return false;
  }
}
