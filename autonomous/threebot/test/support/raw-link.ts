import { once } from 'node:events';
import { WebSocket } from 'ws';
import { makeCredentials } from '../../src/keys/certificate.ts';
import type { SigningKey } from '@commongrid/crypto';

/** The other end of a link, without any of the rules that a bot keeps to. */
export class RawLink implements Disposable {
  readonly socket: WebSocket;
  readonly #texts: string[] = [];
  readonly #closed: Promise<unknown>;
  #wake = Promise.withResolvers<void>();

  private constructor(socket: WebSocket) {
    this.socket = socket;
    this.#closed = once(socket, 'close');
    socket.on('message', (data) => {
      this.#texts.push((data as Buffer).toString());
      this.#wake.resolve();
    });
    socket.on('close', () => this.#wake.resolve());
    socket.on('error', () => {});
  }

  /**
   * @param key whose certificate is shown; without one none is
   * @param from address that it comes from; default: as the system has it
   */
  static async open(address: string, key?: SigningKey, from?: string): Promise<RawLink> {
    const credentials = key === undefined ? {} : await makeCredentials(key);
    const local = from === undefined ? {} : { localAddress: from };
    const socket = new WebSocket(address, { ...credentials, ...local, rejectUnauthorized: false });
    const link = new RawLink(socket);
    await once(socket, 'open');
    return link;
  }

  send(value: unknown): void {
    this.socket.send(typeof value === 'string' ? value : JSON.stringify(value));
  }

  /** The next text that comes; undefined when the link has ended. */
  async next(): Promise<Record<string, unknown> | undefined> {
    for (;;) {
      const text = this.#texts.shift();
      if (text !== undefined) return JSON.parse(text) as Record<string, unknown>;
      if (this.socket.readyState === WebSocket.CLOSED) return undefined;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers<void>();
    }
  }

  /** Code of the refusal or failure that comes next. */
  async refusal(): Promise<unknown> {
    const frame = await this.next();
    return (frame?.['error'] as Record<string, unknown> | undefined)?.['code'];
  }

  async ended(): Promise<void> {
    await this.#closed;
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }
}
