import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

import type { PeerAnswer, PeerOrder } from './network-peer.ts';

// Speaks over the network of the namespace in which it was started. Orders come in, answers go out,
// a line each. What listens here answers with the address of who asked.

/** Who sent anything over UDP. */
const heard: string[] = [];

createInterface({ input: process.stdin }).on('line', (line) => {
  const order: PeerOrder = JSON.parse(line);
  void answer(order).then((result) => process.stdout.write(`${JSON.stringify(result)}\n`));
});

async function answer(order: PeerOrder): Promise<PeerAnswer> {
  try {
    return { number: order.number, result: await obey(order) };
  } catch (error) {
    return { number: order.number, error: String(error) };
  }
}

async function obey(order: PeerOrder): Promise<string> {
  const { action, protocol, host, port } = order;
  if (action === 'heard') return heard.join(' ');
  if (action === 'listen')
    return protocol === 'tcp' ? listenTcp(port, host) : listenUdp(port, host);
  return protocol === 'tcp' ? askTcp(order) : askUdp(order);
}

async function listenTcp(port: number, host: string): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(`${socket.remoteAddress}`);
  });
  server.listen(port, host);
  await once(server, 'listening');
  return 'listening';
}

async function listenUdp(port: number, host: string): Promise<string> {
  const socket = createSocket('udp4');
  socket.on('message', (_bytes, peer) => {
    heard.push(peer.address);
    socket.send(peer.address, peer.port, peer.address);
  });
  socket.bind(port, host);
  await once(socket, 'listening');
  return 'listening';
}

async function askTcp({ host, port, from, waitMs }: PeerOrder): Promise<string> {
  const { address, port: localPort } = from;
  const socket = connect({
    host,
    port,
    ...(address === undefined ? {} : { localAddress: address }),
    ...(localPort === undefined ? {} : { localPort }),
  });
  socket.setTimeout(waitMs, () => socket.destroy(new Error('nobody answers')));
  return text(socket);
}

async function askUdp({ host, port, from, waitMs }: PeerOrder): Promise<string> {
  const socket = createSocket('udp4');
  try {
    socket.bind(from.port ?? 0, from.address);
    await once(socket, 'listening');
    socket.connect(port, host);
    await once(socket, 'connect');
    socket.send('who am I?');
    const [bytes] = (await once(socket, 'message', {
      signal: AbortSignal.timeout(waitMs),
    })) as [Buffer];
    return bytes.toString();
  } finally {
    socket.close();
  }
}
