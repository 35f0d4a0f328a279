import { once } from 'node:events';
import { connect } from 'node:net';

import { askControl } from '@commongrid/base';

import { loopback } from './ports.ts';

/**
 * True when a server that speaks the Redis protocol answers PING at this port of this machine. Any
 * answer will do: one that asks for a password is alive as well.
 */
export async function answersPing(port: number, signal: AbortSignal): Promise<boolean> {
  const socket = connect({ port, host: loopback, signal });
  try {
    await once(socket, 'connect', { signal });
    socket.write('PING\r\n');
    const [answer] = (await once(socket, 'data', { signal })) as [Buffer];
    return answer[0] === 0x2b || answer[0] === 0x2d;
  } finally {
    socket.on('error', () => {});
    socket.destroy();
  }
}

/** True when a server answers a GET of this path with success at this port of this machine. */
export async function answersHttp(
  port: number,
  path: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { ok, body } = await fetch(`http://${loopback}:${port}${path}`, { signal });
  await body?.cancel();
  return ok;
}

/** True when a program takes orders at this socket. */
export async function answersOrders(path: string, signal: AbortSignal): Promise<boolean> {
  await askControl(path, 'status', {}, { signal });
  return true;
}

/** True when a bot takes calls of its owner at this socket. */
export async function answersCalls(path: string, signal: AbortSignal): Promise<boolean> {
  await askControl(path, 'call', { method: 'bot.about', input: {} }, { signal });
  return true;
}
