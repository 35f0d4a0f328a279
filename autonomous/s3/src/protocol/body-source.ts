import type { IncomingMessage } from 'node:http';

import type { Clock, Timer } from '@commongrid/base';

import { S3Error } from './s3-error.ts';
import { watchClient } from './watch-client.ts';

/** Bytes of a body that came and were not asked for yet; beyond it the socket is not read. */
const waitingBytesMax = 256 << 10;
/** What a client must send in `progressMsMax`. */
const progressBytesMin = 16 << 10;

export interface BodySourceOptions {
  readonly request: IncomingMessage;
  readonly clock: Clock;
  /** Tells a client that waits to be asked for its body; called once, by the first `next`. */
  readonly askForBody: () => void;
  /** Whether others wait for memory. Default: never. */
  readonly isPressed?: (() => boolean) | undefined;
}

/** Reads a body of node:http piece by piece, no faster than it is taken. */
export class BodySource {
  readonly #request: IncomingMessage;
  readonly #clock: Clock;
  readonly #askForBody: () => void;
  readonly #isPressed: () => boolean;
  #pieces: Buffer[] = [];
  #waitingBytes = 0;
  #receivedBytes = 0;
  #lastByteMs: number | undefined;
  #state: 'idle' | 'open' | 'ended' | 'failed' = 'idle';
  #wake: (() => void) | undefined;
  /** Bytes and waiting of the present stretch of progress. */
  #stretchBytes = 0;
  #stretchMs = 0;

  constructor(options: BodySourceOptions) {
    this.#request = options.request;
    this.#clock = options.clock;
    this.#askForBody = options.askForBody;
    this.#isPressed = options.isPressed ?? (() => false);
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** When the last bytes came, monotonic; undefined when none did. */
  get lastByteMs(): number | undefined {
    return this.#lastByteMs;
  }

  /** Whether nothing is left on the connection that belongs to this body. */
  get isEnded(): boolean {
    return this.#state === 'ended' || this.#request.complete;
  }

  /**
   * @throws S3Error RequestTimeout when the client is too slow, IncompleteBody when it is gone
   */
  readonly next = async (): Promise<Buffer | undefined> => {
    if (this.#state === 'idle') {
      // A small body mostly came with its head: then there is nothing to wait for.
      const early = this.#request.read() as Buffer | null;
      if (early !== null) {
        this.#receivedBytes += early.length;
        this.#lastByteMs = this.#clock.monotonicMs();
        return early;
      }
      this.#begin();
    }
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        this.#waitingBytes -= piece.length;
        if (this.#waitingBytes < waitingBytesMax) this.#request.resume();
        return piece;
      }
      if (this.#state === 'ended') return undefined;
      if (this.#state === 'failed') throw new S3Error('IncompleteBody');
      await this.#wait();
    }
  };

  /** Throws away what still comes, as long as it is not more than `bytesMax` in `timeoutMs`. */
  async discard(bytesMax: number, timeoutMs: number): Promise<void> {
    const end = this.#receivedBytes + bytesMax;
    let isLate = false;
    const timer = this.#clock.setTimer(timeoutMs, () => {
      isLate = true;
      this.#wake?.();
    });
    if (this.#state === 'idle') this.#begin();
    while (!isLate && this.#state === 'open' && this.#receivedBytes < end) {
      this.#pieces = [];
      this.#waitingBytes = 0;
      this.#request.resume();
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    timer.cancel();
  }

  #begin(): void {
    const request = this.#request;
    this.#state = request.destroyed ? 'failed' : 'open';
    if (request.destroyed) return;
    request.on('data', this.#take);
    request.once('end', () => this.#stop('ended'));
    request.once('error', () => this.#stop('failed'));
    request.once('close', () => this.#stop('failed'));
    this.#askForBody();
  }

  readonly #take = (piece: Buffer): void => {
    this.#pieces.push(piece);
    this.#waitingBytes += piece.length;
    this.#receivedBytes += piece.length;
    this.#lastByteMs = this.#clock.monotonicMs();
    this.#stretchBytes += piece.length;
    if (this.#waitingBytes >= waitingBytesMax) this.#request.pause();
    this.#wake?.();
  };

  #stop(state: 'ended' | 'failed'): void {
    if (this.#state === 'open') this.#state = state;
    this.#wake?.();
  }

  async #wait(): Promise<void> {
    if (this.#stretchBytes >= progressBytesMin) {
      this.#stretchBytes = 0;
      this.#stretchMs = 0;
    }
    const startMs = this.#clock.monotonicMs();
    let isLate = false;
    let watch: Timer | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      const waiting = {
        ...{ clock: this.#clock, isPressed: this.#isPressed, waitedMs: this.#stretchMs },
      };
      watch = watchClient(waiting, () => {
        isLate = true;
        resolve();
      });
    });
    watch?.cancel();
    this.#wake = undefined;
    this.#stretchMs += this.#clock.monotonicMs() - startMs;
    if (isLate && this.#pieces.length === 0) throw new S3Error('RequestTimeout');
  }
}
