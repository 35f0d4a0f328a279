import { GridError, withTimeout } from '@commongrid/base';
import type { GridErrorJson } from '@commongrid/base';
import type { WebSocket } from 'ws';
import type { BotErrorCode } from '../errors.ts';
import { frameInvalid, frameText, linkVersion, parseFrame, readErrorJson } from './frames.ts';
import type { Hello } from './frames.ts';
import type { EarlyMessage } from './link.ts';

/** Messages that may come before a greeting is answered. */
const earlyMax = 64;

/** Bytes of these messages. */
const earlyBytesMax = 2 << 20;

/** Bytes of a greeting or a refusal. */
const greetingBytesMax = 32 << 10;

/**
 * How a link begins. Who called says `hello` first, after it has seen that the certificate is of the bot
 * that it wants; the other side looks the caller up, and says `hello` or why not.
 */
export class Greeting {
  readonly #socket: WebSocket;
  readonly #first = Promise.withResolvers<Hello>();
  readonly #early: EarlyMessage[] = [];
  #earlyBytes = 0;
  #hasFirst = false;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    // Nobody may wait for it yet.
    this.#first.promise.catch(() => {});
    socket.on('message', this.#onMessage);
    socket.on('error', this.#onError);
    socket.once('close', () => this.#first.reject(gone()));
  }

  /** What the other side says of itself. @throws BOT_FRAME_INVALID, BOT_LINK_LOST, BASE_TIMEOUT, and why it refuses */
  first(timeoutMs: number): Promise<Hello> {
    return withTimeout(() => this.#first.promise, { timeoutMs, what: 'the greeting of a bot' });
  }

  say(hello: Omit<Hello, 't' | 'v'>): void {
    const frame = { t: 'hello', v: linkVersion, ...hello } as const;
    this.#socket.send(frameText(frame, greetingBytesMax));
  }

  refuse(error: GridErrorJson): void {
    const { details: _details, ...shown } = error;
    const frame = { t: 'refused', error: { ...shown, details: {} } } as const;
    this.#socket.send(frameText(frame, greetingBytesMax));
    this.#socket.close(1_008, error.code);
  }

  /** What came meanwhile; from now on somebody else listens. */
  release(): readonly EarlyMessage[] {
    this.#socket.off('message', this.#onMessage);
    this.#socket.off('error', this.#onError);
    return this.#early;
  }

  readonly #onError = (): void => {};

  readonly #onMessage = (data: unknown, isBinary: boolean): void => {
    const message = { data: data as Buffer, isBinary };
    if (!this.#hasFirst) {
      this.#hasFirst = true;
      this.#read(message);
      return;
    }
    this.#earlyBytes += message.data.length;
    const isTooMuch = this.#early.length >= earlyMax || this.#earlyBytes > earlyBytesMax;
    if (isTooMuch) this.#socket.terminate();
    else this.#early.push(message);
  };

  #read({ data, isBinary }: EarlyMessage): void {
    try {
      if (isBinary || data.length > greetingBytesMax) throw frameInvalid('it is no greeting');
      const frame = parseFrame(data.toString('utf8'));
      if (frame.t === 'refused') throw readErrorJson(frame.error) ?? gone();
      if (frame.t !== 'hello') throw frameInvalid('a link begins with a greeting');
      if (frame.v !== linkVersion) throw frameInvalid(`version ${frame.v} is not known here`);
      this.#first.resolve(frame);
    } catch (error) {
      this.#first.reject(error);
    }
  }
}

function gone(): GridError<BotErrorCode> {
  return new GridError('BOT_LINK_LOST', 'the link ended before the greeting', { retryable: true });
}
