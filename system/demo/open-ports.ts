import { connect } from 'node:net';

import { delay, errorCode } from '@commongrid/base';

import { eachOf } from './each-of.ts';

/** Connections that are tried at a time. */
const width = 256;
/** Ports of TCP. */
export const portMax = 65_535;
/** For a machine to say no, ms: one that says nothing has no door there either. */
const answerMsMax = 3_000;
/**
 * Ports of one part, and the least time for it, ms: kernels remember each connection for some seconds, and how many they
 * remember is bounded for all of this machine.
 */
const part = { ports: 2_000, msMin: 200 } as const;

/** Which of these ports of an address take connections over TCP. */
export async function openPorts(
  host: string,
  ports: readonly number[],
  signal: AbortSignal,
): Promise<readonly number[]> {
  const open: number[] = [];
  for (let from = 0; from < ports.length; from += part.ports) {
    const startedMs = performance.now();
    await eachOf(ports.slice(from, from + part.ports), width, async (port) => {
      signal.throwIfAborted();
      if (await takes(host, port)) open.push(port);
    });
    const leftMs = part.msMin - (performance.now() - startedMs);
    if (leftMs > 0 && from + part.ports < ports.length) await delay(leftMs, { signal });
  }
  return open.toSorted((a, b) => a - b);
}

async function takes(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port, timeout: answerMsMax });
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  socket.once('connect', () => resolve(true));
  socket.once('timeout', () => resolve(false));
  socket.on('error', (error) => {
    if (errorCode(error) === 'ECONNREFUSED') resolve(false);
    else reject(error);
  });
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
