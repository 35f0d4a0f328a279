import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

export { reservePort as freePort } from '@commongrid/base';

interface TakenPort extends AsyncDisposable {
  readonly port: number;
}

export async function listeningPort(): Promise<TakenPort> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.asyncDispose]: () => new Promise((done) => server.close(() => done())) };
}

export async function boundUdpPort(): Promise<TakenPort> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  return { port, [Symbol.asyncDispose]: () => new Promise((done) => socket.close(() => done())) };
}
