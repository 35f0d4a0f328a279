import { once } from 'node:events';
import type { Duplex } from 'node:stream';

import { errorCode, GridError } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';

/** Kinds of frames: docs/formats/node-access.md. */
export const frameKinds = {
  alive: 0,
  stdin: 1,
  stdout: 2,
  stderr: 3,
  resize: 4,
  exit: 5,
  error: 6,
  line: 7,
} as const;

export interface AccessFrame {
  readonly kind: number;
  readonly payload: Buffer;
}

/** Longest frame: a line of a log may be that long as JSON. */
export const frameBytesMax = 512 * 1024;
/** Longest first line: token and command. */
const headerBytesMax = 256 * 1024;
/** Input and output are sent in frames of that length. */
const pieceBytesMax = 64 * 1024;

const frameHeadBytes = 5;
const newline = 0x0a;

/**
 * One end of a connection to the door of a node: a line of JSON, then frames both ways. Whoever sends
 * waits until the other side took it, and whoever reads asks for one frame after the other, so neither
 * holds more than one frame and what the kernel gave last.
 */
export class AccessWire {
  readonly #socket: Duplex;
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(socket: Duplex) {
    this.#socket = socket;
    this.#chunks = socket[Symbol.asyncIterator]();
  }

  /** @throws NODE_ACCESS_INVALID, NODE_ACCESS_LOST */
  async readHeader(): Promise<unknown> {
    for (;;) {
      const end = this.#rest.indexOf(newline);
      if (end >= 0) return jsonFrom(this.#take(end + 1));
      if (this.#rest.length > headerBytesMax) throw invalid('its first line is too long');
      if (!(await this.#fill())) throw lost();
    }
  }

  /** Undefined once the other side ended. @throws NODE_ACCESS_INVALID, NODE_ACCESS_LOST */
  async readFrame(): Promise<AccessFrame | undefined> {
    while (this.#rest.length < frameHeadBytes) {
      if (await this.#fill()) continue;
      if (this.#rest.length === 0) return undefined;
      throw lost();
    }
    const [kind = 0] = this.#rest;
    const sizeBytes = this.#rest.readUInt32BE(1);
    if (sizeBytes > frameBytesMax) throw invalid('a frame is too long');
    while (this.#rest.length < frameHeadBytes + sizeBytes) {
      if (!(await this.#fill())) throw lost();
    }
    return { kind, payload: this.#take(frameHeadBytes + sizeBytes).subarray(frameHeadBytes) };
  }

  async sendHeader(header: object): Promise<void> {
    await this.#send(Buffer.from(`${JSON.stringify(header)}\n`));
  }

  /** In several frames where it is long. Resolves once there is room for more. */
  async sendBytes(kind: number, bytes: Buffer): Promise<void> {
    for (let start = 0; start < bytes.length; start += pieceBytesMax) {
      await this.#sendFrame(kind, bytes.subarray(start, start + pieceBytesMax));
    }
  }

  /** No bytes. Of `stdin`: there is no more. */
  async sendEmpty(kind: number): Promise<void> {
    await this.#sendFrame(kind, Buffer.alloc(0));
  }

  async sendJson(kind: number, value: object): Promise<void> {
    await this.#sendFrame(kind, Buffer.from(JSON.stringify(value)));
  }

  /** The last word was said. */
  end(): void {
    this.#socket.end();
  }

  #take(count: number): Buffer {
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return taken;
  }

  async #fill(): Promise<boolean> {
    try {
      const { done, value } = await this.#chunks.next();
      if (done === true) return false;
      this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value]);
      return true;
    } catch (cause) {
      throw lost(cause);
    }
  }

  async #sendFrame(kind: number, payload: Buffer): Promise<void> {
    const frame = Buffer.alloc(frameHeadBytes + payload.length);
    frame[0] = kind;
    frame.writeUInt32BE(payload.length, 1);
    payload.copy(frame, frameHeadBytes);
    await this.#send(frame);
  }

  async #send(bytes: Buffer): Promise<void> {
    const socket = this.#socket;
    if (!socket.writable) throw lost();
    if (socket.write(bytes)) return;
    const gone = new AbortController();
    const onClose = (): void => gone.abort();
    socket.once('close', onClose);
    try {
      await once(socket, 'drain', { signal: gone.signal });
    } catch (cause) {
      throw lost(cause);
    } finally {
      socket.off('close', onClose);
    }
  }
}

/** @throws NODE_ACCESS_INVALID */
export function jsonFrom(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw invalid('it is no JSON');
  }
}

export function invalid(why: string): GridError<NodeErrorCode> {
  return new GridError('NODE_ACCESS_INVALID', `this cannot be understood: ${why}`, {
    hint: 'use the same version on both sides',
  });
}

function lost(cause?: unknown): GridError<NodeErrorCode> {
  return new GridError('NODE_ACCESS_LOST', 'the connection broke off', {
    hint: 'see whether the node still runs, then try again',
    retryable: true,
    details: { reason: errorCode(cause) ?? null },
    cause,
  });
}
