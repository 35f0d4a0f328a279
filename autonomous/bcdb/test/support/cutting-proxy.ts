import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

/** Stands between a client and a server, and can cut what goes through it. */
export class CuttingProxy implements AsyncDisposable {
  /** Port of the server; may be another one later. */
  target: number;
  /** Bytes of answers after which a connection is cut; each connection counts anew. */
  cutAfterBytes = Number.POSITIVE_INFINITY;
  /** Connections that were cut. */
  cuts = 0;
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  private constructor(target: number) {
    this.target = target;
    this.#server = createServer((socket) => this.#join(socket));
  }

  static async open(target: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new TypeError('not a TCP server');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Cuts all connections. */
  cut(): void {
    for (const socket of this.#open) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
  }

  #join(client: Socket): void {
    const server = connect(this.target, '127.0.0.1');
    let bytes = 0;
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
    server.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= this.cutAfterBytes) return;
      this.cuts++;
      client.destroy();
    });
  }
}
