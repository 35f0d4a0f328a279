import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { Transform } from 'node:stream';

/** How far away a port seems to be. */
export interface Distance {
  /** That what is sent is under way, either way, ms; it counts at once. */
  delayMs: number;
}

/** Lets other machines reach a port of loopback at an address of this one, until the stack ends. @returns the port there */
export async function relayTo(
  port: number,
  host: string,
  stack: AsyncDisposableStack,
  distance: Readonly<Distance> = { delayMs: 0 },
): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((from) => {
    const to = connect(port, '127.0.0.1');
    from.pipe(delayed(distance)).pipe(to).pipe(delayed(distance)).pipe(from);
    for (const socket of [from, to]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        from.destroy();
        to.destroy();
      });
    }
  });
  server.listen(0, host);
  await once(server, 'listening');
  stack.defer(async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, 'close');
  });
  return (server.address() as AddressInfo).port;
}

/** One part after the other, each as late as it is far. */
function delayed(distance: Readonly<Distance>): Transform {
  return new Transform({
    transform(part, _encoding, done) {
      const { delayMs } = distance;
      if (delayMs === 0) done(null, part);
      else setTimeout(() => done(null, part), delayMs);
    },
  });
}
