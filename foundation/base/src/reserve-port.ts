import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { ListenOptions, Server } from 'node:net';

import { errorCode } from './errors.ts';

/**
 * Where ports are looked for: below those that Linux gives to outgoing connections and to servers
 * that take any, so that none of these gets one before its server listens, or while that is away.
 */
const freePorts = { from: 10_240, to: 32_768 };
/** Ports that are tried for one that is free; then the last failure is told. */
const freePortTriesMax = 100;

/**
 * A port of 127.0.0.1 where nobody listens, and that nobody else who asks here is given as long as
 * this process lives: for a server that starts later, or starts again and again.
 * @param draw says which to try next
 * @throws EADDRINUSE when none of many is free
 */
export async function reservePort(draw = drawPort): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    const port = draw();
    try {
      // Of a name in the kernel that ends with the process, there is one for each port.
      const holder = await listen({ path: `\0commongrid port ${port}` });
      try {
        await close(await listen({ port, host: '127.0.0.1', exclusive: true }));
      } catch (error) {
        await close(holder);
        throw error;
      }
      holder.unref();
      return port;
    } catch (error) {
      if (errorCode(error) !== 'EADDRINUSE' || tries === freePortTriesMax) throw error;
    }
  }
}

function drawPort(): number {
  return randomInt(freePorts.from, freePorts.to);
}

async function listen(options: ListenOptions): Promise<Server> {
  const server = createServer();
  server.listen(options);
  await once(server, 'listening');
  return server;
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  await closed;
}
