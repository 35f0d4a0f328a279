import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { errorCode, GridError } from '@commongrid/base';
import { WebSocket } from 'ws';
import type { BotLimits } from '../config.ts';
import type { BotErrorCode } from '../errors.ts';
import { keyOfCertificate, tlsVersion } from '../keys/certificate.ts';
import type { Credentials } from '../keys/certificate.ts';

/** A connection whose other end has shown that it holds a key. */
export interface Dialled {
  readonly socket: WebSocket;
  /** Text of the key; undefined where it is of another kind. */
  readonly key: string | undefined;
}

/**
 * Connects to an address. No authority is asked who is there: whoever calls compares the key.
 * @throws BOT_UNREACHABLE
 */
export async function dial(
  address: string,
  { cert, key }: Credentials,
  { greetingMs, frameBytesMax }: Pick<BotLimits, 'greetingMs' | 'frameBytesMax'>,
): Promise<Dialled> {
  let peerKey: string | undefined;
  let socket: WebSocket;
  try {
    socket = new WebSocket(address, {
      ...{ cert, key, ...tlsVersion },
      rejectUnauthorized: false,
      handshakeTimeout: greetingMs,
      maxPayload: frameBytesMax,
      perMessageDeflate: false,
      followRedirects: false,
    });
  } catch (error) {
    throw unreachable(address, error);
  }
  socket.once('upgrade', ({ socket: tls }: IncomingMessage) => {
    peerKey = keyOfCertificate((tls as TLSSocket).getPeerX509Certificate());
  });
  try {
    await once(socket, 'open');
  } catch (error) {
    socket.terminate();
    throw unreachable(address, error);
  }
  return { socket, key: peerKey };
}

function unreachable(address: string, cause: unknown): GridError<BotErrorCode> {
  const why = errorCode(cause) ?? (cause instanceof Error ? cause.message : String(cause));
  return new GridError('BOT_UNREACHABLE', `no bot answers at ${address}: ${why}`, {
    hint: 'see whether it runs, and whether its record names the right address',
    retryable: true,
    details: { address },
    cause,
  });
}
