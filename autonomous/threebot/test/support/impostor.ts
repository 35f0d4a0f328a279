import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { SigningKey } from '@commongrid/crypto';
import { WebSocketServer } from 'ws';
import { makeCredentials, tlsVersion } from '../../src/keys/certificate.ts';

/** Says that it is some bot, and shows a key of its own. */
export class Impostor implements AsyncDisposable {
  readonly address: string;
  readonly #close: () => Promise<void>;

  private constructor(address: string, close: () => Promise<void>) {
    this.address = address;
    this.#close = close;
  }

  static async open(key: SigningKey, hello: object): Promise<Impostor> {
    const credentials = await makeCredentials(key);
    const server = createServer({
      ...credentials,
      ...tlsVersion,
      requestCert: true,
      rejectUnauthorized: false,
    });
    const sockets = new WebSocketServer({ server });
    sockets.on('connection', (socket) => {
      socket.on('message', () => socket.send(JSON.stringify({ t: 'hello', v: 1, ...hello })));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return new Impostor(`wss://127.0.0.1:${port}/link`, async () => {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      const closed = once(server, 'close');
      server.close();
      await closed;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}
