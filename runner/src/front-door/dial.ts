import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { errorCode } from '@commongrid/base';

/** `HOST:PORT`, an IPv6 host in brackets. */
export type AddressText = string;

/** Time for a connection, or an answer about health, ms. */
const dialMsMax = 1_000;

/** The machine is there, and nobody listens. */
const refusals: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET']);

/** A connection; or who refuses it, be it the machine itself; or that nothing answers. */
export type Dialed = Socket | 'refused' | 'silent';

/** Connects within a second. Whoever gets a socket listens to its errors. */
export function dial(address: AddressText, signal?: AbortSignal): Promise<Dialed> {
  if (signal?.aborted === true) return Promise.resolve('silent');
  const { promise, resolve } = Promise.withResolvers<Dialed>();
  const socket = connect({ ...hostAndPort(address), allowHalfOpen: true, noDelay: true });
  const stop = (): void => end('silent');
  const end = (result: Dialed): void => {
    signal?.removeEventListener('abort', stop);
    socket.setTimeout(0);
    if (result !== socket) socket.destroy();
    resolve(result);
  };
  signal?.addEventListener('abort', stop, { once: true });
  socket.setTimeout(dialMsMax, () => afterWhatCame(stop));
  socket.once('connect', () => end(socket));
  socket.on('error', (error) => end(refusals.has(errorCode(error) ?? '') ? 'refused' : 'silent'));
  return promise;
}

/** How an address does: it serves, it is there without serving, it is too busy to say so, or nothing is there. */
export type Standing = 'serves' | 'idle' | 'busy' | 'refused' | 'silent';

/** Whether a connection is taken. */
export async function tcpStanding(address: AddressText): Promise<Standing> {
  const socket = await dial(address);
  if (typeof socket === 'string') return socket;
  socket.destroy();
  return 'serves';
}

const healthRequest = (address: AddressText): string =>
  `GET /-/health HTTP/1.1\r\nhost: ${address}\r\nconnection: close\r\n\r\n`;

/** Whether a head of S3 is the one that serves, by its own word. */
export async function s3Standing(address: AddressText): Promise<Standing> {
  const socket = await dial(address);
  if (typeof socket === 'string') return socket;
  const { promise, resolve } = Promise.withResolvers<Standing>();
  let said = '';
  const end = (standing: Standing): void => {
    socket.destroy();
    resolve(standing);
  };
  socket.setEncoding('latin1');
  socket.on('error', () => end('refused'));
  socket.on('end', () => end('idle'));
  socket.on('data', (text: string) => {
    said += text;
    const [, status] = /^HTTP\/1\.[01] (\d{3}) /.exec(said) ?? [];
    if (status !== undefined) end(status === '200' ? 'serves' : 'idle');
    else if (said.length > 64) end('idle');
  });
  socket.setTimeout(dialMsMax, () => afterWhatCame(() => end('busy')));
  socket.write(healthRequest(address));
  return promise;
}

/** A process that stood still itself hears first what came meanwhile. */
function afterWhatCame(stop: () => void): void {
  setImmediate(stop);
}

function hostAndPort(address: AddressText): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(':');
  return {
    host: address.slice(0, at).replace(/^\[(.*)\]$/, '$1'),
    port: Number(address.slice(at + 1)),
  };
}
