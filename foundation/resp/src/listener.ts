import { GridError } from '@commongrid/base';
import { once } from 'node:events';
import { lstat, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { RespErrorCode } from './errors.ts';
import { describePeer } from './socket-adapter.ts';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** PEM texts. With `ca`, peers must show a certificate that it signed. */
export interface TlsOptions {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly ca?: string | Buffer;
}

/** The listening sockets of one server. Accepted ones are handed on before they are read. */
export class Listener {
  readonly #onSocket: (socket: Socket) => void;
  readonly #servers: Server[] = [];
  readonly #addresses: ListenAddress[] = [];
  /** Connections under TLS, before and after their handshake. */
  readonly #wrapped = new Set<Socket>();
  /** Of these, by their peers, those before it, in order of arrival. */
  readonly #shaking = new Map<string, Socket>();

  constructor(onSocket: (socket: Socket) => void) {
    this.#onSocket = onSocket;
  }

  get addresses(): readonly ListenAddress[] {
    return this.#addresses;
  }

  /** @throws RESP_LISTEN_FAILED, and then nothing is left open. */
  async open(options: {
    readonly listen?: readonly ListenAddress[];
    readonly socketPath?: string;
    readonly tls?: TlsOptions;
  }): Promise<void> {
    try {
      for (const { host, port } of options.listen ?? []) {
        const server = await this.#listen(this.#create(options.tls), { host, port });
        const address = server.address();
        if (address === null || typeof address === 'string') continue;
        this.#addresses.push({ host, port: address.port });
      }
      if (options.socketPath !== undefined) {
        await removeStale(options.socketPath);
        await this.#listen(this.#create(undefined), { path: options.socketPath });
      }
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Accepts no more. Resolves when also the connections under TLS are gone: see `cut`. */
  async close(): Promise<void> {
    const closing = this.#servers.splice(0).map(async (server) => {
      const closed = once(server, 'close');
      server.close();
      await closed;
    });
    await Promise.all(closing);
  }

  /** Ends connections that are still in their TLS handshake. */
  cut(): void {
    for (const socket of this.#wrapped) socket.destroy();
  }

  #create(tls: TlsOptions | undefined): Server {
    if (tls === undefined) return createServer(acceptOptions, this.#onSocket);
    const authentication = tls.ca === undefined ? {} : { requestCert: true };
    const options = { ...acceptOptions, ...tlsAcceptOptions, ...authentication, ...tls };
    const server = createTlsServer(options, (socket) => {
      this.#shaking.delete(describePeer(socket));
      this.#onSocket(socket);
    });
    // A failed handshake is the peer's affair; without a listener it would be left half open.
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    server.on('connection', (socket) => {
      this.#wrapped.add(socket);
      socket.once('close', () => this.#wrapped.delete(socket));
      this.#shake(socket);
    });
    return server;
  }

  /** A handshake begins; where too many have, the oldest makes room. */
  #shake(socket: Socket): void {
    const peer = describePeer(socket);
    for (const [key, oldest] of this.#shaking) {
      if (this.#shaking.size < maxHandshakes) break;
      this.#shaking.delete(key);
      oldest.destroy();
    }
    this.#shaking.set(peer, socket);
    socket.once('close', () => {
      if (this.#shaking.get(peer) === socket) this.#shaking.delete(peer);
    });
  }

  async #listen(
    server: Server,
    where: { readonly host: string; readonly port: number } | { readonly path: string },
  ): Promise<Server> {
    try {
      server.listen({ ...where, backlog: 511 });
      await once(server, 'listening');
    } catch (cause) {
      const place = 'path' in where ? where.path : `${where.host}:${String(where.port)}`;
      throw new GridError<RespErrorCode>('RESP_LISTEN_FAILED', `cannot listen on ${place}`, {
        hint: 'choose an address that is free and belongs to this machine',
        details: { place },
        cause,
      });
    }
    // One connection that cannot be accepted, for want of descriptors, must not end the process.
    server.on('error', (error) => process.emitWarning(error));
    this.#servers.push(server);
    return server;
  }
}

/** Connections in their TLS handshake; they are not counted as connections yet. */
const maxHandshakes = 512;

const acceptOptions = {
  allowHalfOpen: true,
  pauseOnConnect: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
};

const tlsAcceptOptions = {
  pauseOnConnect: false,
  minVersion: 'TLSv1.3',
  handshakeTimeout: 10_000,
} as const;

/** A socket file that nobody listens on is left over from a crash; any other file is not ours. */
async function removeStale(path: string): Promise<void> {
  // What cannot be looked at cannot be listened on either: that will say why.
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.isSocket() !== true) return;
  const isAlive = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
  if (!isAlive) await rm(path, { force: true });
}
