import { abortError, GridError, isGridError, systemClock } from '@commongrid/base';
import type { Clock, GridErrorJson, Timer } from '@commongrid/base';
import type { WebSocket } from 'ws';
import type { CallOptions, MethodCaller } from '../actors/typed-client.ts';
import type { BotLimits } from '../config.ts';
import type { BotErrorCode } from '../errors.ts';
import { frameInvalid, frameText, parseFrame, readErrorJson } from './frames.ts';
import type { Frame } from './frames.ts';

export interface LinkOptions {
  readonly socket: WebSocket;
  /** Id and key of the bot at the other end, proven. */
  readonly peer: { readonly bot: string; readonly key: string };
  /** Answers calls of the peer. */
  readonly answer: (method: string, input: unknown, signal: AbortSignal) => Promise<unknown>;
  /** What came before the link was made. */
  readonly early?: readonly EarlyMessage[];
  readonly limits: Pick<
    BotLimits,
    'frameBytesMax' | 'callsMax' | 'callMs' | 'unsentBytesMax' | 'pingMs'
  >;
  readonly clock?: Clock;
}

export interface EarlyMessage {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

interface Waiting {
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: GridError) => void;
}

/** Status of WebSocket with which a link ends that broke the rules. */
const brokenStatus = 4_000;

/**
 * A link between two bots that have greeted each other. Both sides call methods of the other and answer
 * calls; any number of them are under way, and answers come in any order.
 */
export class Link implements MethodCaller {
  readonly peer: { readonly bot: string; readonly key: string };
  /** Resolves when the link is gone. */
  readonly ended: Promise<void>;
  readonly #o: LinkOptions;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  readonly #answering = new Map<number, AbortController>();
  #lastId = 0;
  #isEnded = false;
  #isAlive = true;
  #pulse: Timer | undefined;

  constructor(options: LinkOptions) {
    this.#o = options;
    this.#clock = options.clock ?? systemClock;
    this.peer = options.peer;
    const { socket } = options;
    const ended = Promise.withResolvers<void>();
    this.ended = ended.promise;
    socket.on('message', (data, isBinary) => this.#take(data as Buffer, isBinary));
    socket.on('pong', () => {
      this.#isAlive = true;
    });
    // What is wrong with a socket, 'close' tells of.
    socket.on('error', () => {});
    socket.once('close', (status, reason) => {
      this.#end(status === brokenStatus ? reason.toString() : '');
      ended.resolve();
    });
    this.#beat();
    for (const { data, isBinary } of options.early ?? []) this.#take(data, isBinary);
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /**
   * @throws BOT_BUSY, BOT_TOO_LARGE, BOT_LINK_LOST, BASE_TIMEOUT, BASE_ABORTED, and what the other side
   *   refuses with
   */
  call(method: string, input: unknown, { signal }: CallOptions = {}): Promise<unknown> {
    if (this.#isEnded) return Promise.reject(lost());
    const { callsMax, callMs } = this.#o.limits;
    if (this.#waiting.size >= callsMax) return Promise.reject(busy(callsMax));
    if (signal?.aborted === true) return Promise.reject(abortError(signal));
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const onAbort = (): void => {
      if (signal !== undefined) this.#giveUp(id, abortError(signal));
    };
    const timer = this.#clock.setTimer(callMs, () => this.#giveUp(id, timeout(method, callMs)));
    const finish = (): void => {
      this.#waiting.delete(id);
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
    };
    this.#waiting.set(id, {
      resolve: (output) => (finish(), resolve(output)),
      reject: (error) => (finish(), reject(error)),
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      this.#send({ t: 'call', id, method, input });
    } catch (error) {
      finish();
      reject(error);
    }
    return promise;
  }

  /** Ends it in good order; what is under way is lost. */
  close(): void {
    this.#o.socket.close(1_000);
    this.#cutSoon();
  }

  /** Ends it, and says why. */
  fail(error: GridError): void {
    this.#o.socket.close(brokenStatus, error.code);
    this.#cutSoon();
  }

  #take(data: Buffer, isBinary: boolean): void {
    try {
      if (isBinary) throw frameInvalid('it is bytes, not text');
      this.#frame(parseFrame(data.toString('utf8')));
    } catch (error) {
      if (!isGridError(error)) throw error;
      this.fail(error);
    }
  }

  #frame(frame: Frame): void {
    this.#isAlive = true;
    switch (frame.t) {
      case 'call':
        void this.#answerTo(frame.id, frame.method, frame.input);
        return;
      case 'cancel':
        this.#answering.get(frame.id)?.abort();
        return;
      case 'answer':
        this.#waiting.get(frame.id)?.resolve(frame.output);
        return;
      case 'failure':
        this.#waiting.get(frame.id)?.reject(readErrorJson(frame.error) ?? lost());
        return;
      case 'hello':
      case 'refused':
        throw frameInvalid('greetings come once');
    }
  }

  async #answerTo(id: number, method: string, input: unknown): Promise<void> {
    if (this.#answering.has(id)) return this.fail(frameInvalid('two calls have one number'));
    const { callsMax } = this.#o.limits;
    if (this.#answering.size >= callsMax) {
      return this.#send({ t: 'failure', id, error: busy(callsMax).toJSON() });
    }
    const controller = new AbortController();
    this.#answering.set(id, controller);
    let frame: Frame;
    try {
      const output = await this.#o.answer(method, input, controller.signal);
      frame = { t: 'answer', id, output: output ?? null };
    } catch (error) {
      frame = { t: 'failure', id, error: errorJson(error) };
    }
    this.#answering.delete(id);
    if (this.#isEnded) return;
    try {
      this.#send(frame);
    } catch (error) {
      // The answer is longer than a frame.
      this.#send({ t: 'failure', id, error: errorJson(error) });
    }
  }

  #send(frame: Frame): void {
    const { socket, limits } = this.#o;
    socket.send(frameText(frame, limits.frameBytesMax));
    if (socket.bufferedAmount <= limits.unsentBytesMax) return;
    // It is not read at the other end, or slower than it is asked for.
    socket.terminate();
  }

  #giveUp(id: number, error: GridError): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    waiting.reject(error);
    if (!this.#isEnded) this.#send({ t: 'cancel', id });
  }

  /** Asks for a sign of life, and cuts a link that gave none since the last time. */
  #beat(): void {
    this.#pulse = this.#clock.setTimer(this.#o.limits.pingMs, () => {
      const { socket } = this.#o;
      if (!this.#isAlive) return socket.terminate();
      this.#isAlive = false;
      socket.ping();
      this.#beat();
    });
  }

  #cutSoon(): void {
    const timer = this.#clock.setTimer(closeGraceMs, () => this.#o.socket.terminate());
    void this.ended.then(() => timer.cancel());
  }

  /** @param code why the other side ended it */
  #end(code: string): void {
    this.#isEnded = true;
    this.#pulse?.cancel();
    const why = /^[A-Z][A-Z0-9_]{0,63}$/.test(code) ? endedThere(code) : lost();
    for (const waiting of [...this.#waiting.values()]) waiting.reject(why);
    for (const controller of this.#answering.values()) controller.abort();
  }
}

/** How long the other side may take to end a link in good order, ms. */
const closeGraceMs = 1_000;

function errorJson(error: unknown): GridErrorJson {
  if (isGridError(error)) return error.toJSON();
  const unknown: GridError<BotErrorCode> = new GridError('BOT_INTERNAL', 'the call failed');
  return unknown.toJSON();
}

function lost(): GridError<BotErrorCode> {
  return new GridError('BOT_LINK_LOST', 'the link ended before the answer came', {
    hint: 'it may be done or not: ask again, where twice is as good as once',
    retryable: true,
  });
}

function endedThere(code: string): GridError {
  return new GridError(code, 'the other side ended the link', {
    hint: `see what that means: grid explain ${code}`,
  });
}

function busy(callsMax: number): GridError<BotErrorCode> {
  return new GridError('BOT_BUSY', `${callsMax} calls are under way on this link`, {
    hint: 'wait for the answers of some',
    retryable: true,
  });
}

function timeout(method: string, timeoutMs: number): GridError {
  return new GridError('BASE_TIMEOUT', `waited ${timeoutMs} ms for ${method}`, { retryable: true });
}
