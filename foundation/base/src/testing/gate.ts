import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

/** Stands before a server: while it is shut, nobody reaches it. Its address stays the same. */
export class Gate implements AsyncDisposable {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #isShut = false;

  private constructor(target: number) {
    this.#server = createServer((socket) => {
      if (this.#isShut) socket.destroy();
      else this.#join(socket, connect(target, '127.0.0.1'));
    });
  }

  /** @param target port of the server */
  static async open(target: number): Promise<Gate> {
    const gate = new Gate(target);
    gate.#server.listen(0, '127.0.0.1');
    await once(gate.#server, 'listening');
    return gate;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new TypeError('not a TCP server');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Ends what goes through it, too. */
  shut(): void {
    this.#isShut = true;
    for (const socket of this.#open) socket.destroy();
  }

  unshut(): void {
    this.#isShut = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.shut();
    await closed;
  }

  #join(client: Socket, server: Socket): void {
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#open.add(socket);
      socket.on('error', () => socket.destroy());
      socket.once('close', () => {
        this.#open.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}
