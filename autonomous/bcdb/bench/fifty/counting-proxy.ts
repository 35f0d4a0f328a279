import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

/** Stands between one follower and the server, and counts what crosses its sockets, both ways. */
export class CountingProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #port: number;
  readonly #open = new Set<Socket>();
  #closedBytes = 0;

  private constructor(port: number) {
    this.#port = port;
    this.#server = createServer((socket) => this.#join(socket));
  }

  /** Listens for what goes to a port of this machine. */
  static async open(port: number): Promise<CountingProxy> {
    const proxy = new CountingProxy(port);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new TypeError('not a TCP server');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Bytes that the follower sent and received so far: what TCP carried, without its own headers. */
  get bytes(): number {
    return [...this.#open].reduce((sum, socket) => sum + bytesOf(socket), this.#closedBytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#open) socket.destroy();
    await once(this.#server, 'close');
  }

  #join(follower: Socket): void {
    const server = connect(this.#port, '127.0.0.1');
    this.#open.add(follower);
    follower.once('close', () => {
      this.#open.delete(follower);
      this.#closedBytes += bytesOf(follower);
      server.destroy();
    });
    server.once('close', () => follower.destroy());
    for (const socket of [follower, server]) socket.on('error', () => socket.destroy());
    follower.pipe(server);
    server.pipe(follower);
  }
}

function bytesOf({ bytesRead, bytesWritten }: Socket): number {
  return bytesRead + bytesWritten;
}
