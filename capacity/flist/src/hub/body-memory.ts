import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';

import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { hubBusy, requestInvalid } from './hub-status.ts';

/** Bytes of all bodies that are in memory at a time. */
const bodyBytesMax = 256 * 1024 * 1024;
/** Time for any body. */
export const bodyMsMin = 20_000;
/** The slowest that a long one may come. */
const bodyBytesPerMs = 64;

/** Takes the bodies of requests, as many as fit into memory. */
export class BodyMemory {
  readonly #bodyMs: number;
  #heldBytes = 0;

  constructor(bodyMs: number) {
    this.#bodyMs = bodyMs;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Takes a body into memory, where it counts until `use` is done.
   * @throws HUB_REQUEST_INVALID, HUB_TOO_LARGE, HUB_BUSY, HUB_TOO_SLOW
   */
  async with<T>(
    request: IncomingMessage,
    sizeBytesMax: number,
    use: (body: Buffer) => Promise<T>,
  ): Promise<T> {
    const sizeBytes = declaredBytes(request);
    if (sizeBytes > sizeBytesMax) {
      throw new GridError<FlistErrorCode>(
        'HUB_TOO_LARGE',
        `the body has ${sizeBytes} bytes, at most ${sizeBytesMax} are taken`,
        { hint: 'send less at a time' },
      );
    }
    if (this.#heldBytes + sizeBytes > bodyBytesMax) throw hubBusy('takes no more bodies now');
    this.#heldBytes += sizeBytes;
    try {
      return await use(await this.#read(request, sizeBytes));
    } finally {
      this.#heldBytes -= sizeBytes;
    }
  }

  /** The length is what Node's parser goes by: neither more nor less comes. */
  async #read(request: IncomingMessage, sizeBytes: number): Promise<Buffer> {
    // Who went before now, while it was found out who asks, ends nothing any more.
    if (request.destroyed) throw requestInvalid('the connection ended ahead of the body');
    const body = Buffer.allocUnsafeSlow(sizeBytes);
    let at = 0;
    request.on('data', (piece: Buffer) => {
      at += piece.copy(body, at);
    });
    try {
      const signal = AbortSignal.timeout(this.#bodyMs + Math.ceil(sizeBytes / bodyBytesPerMs));
      await once(request, 'end', { signal });
    } catch (cause) {
      throw new GridError<FlistErrorCode>('HUB_TOO_SLOW', `${at} of ${sizeBytes} bytes came`, {
        hint: 'send it again, over a faster way',
        retryable: true,
        cause,
      });
    }
    if (at < sizeBytes) throw requestInvalid(`only ${at} of ${sizeBytes} bytes came`);
    return body;
  }
}

function declaredBytes({ headers }: IncomingMessage): number {
  if (headers['transfer-encoding'] !== undefined) {
    throw requestInvalid('a body comes with its length');
  }
  return Number(headers['content-length'] ?? 0);
}
