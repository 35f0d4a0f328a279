// oxlint-disable no-underscore-dangle, no-unsafe-type-assertion -- the one place that reaches into
// Node: `_handle` has no official name, and the types of `onread` are narrower than what it does.
import { connect, Socket } from 'node:net';
import type { NetConnectOpts, OnReadOpts, SocketConstructorOpts } from 'node:net';

/** What an adapter asks of the one who reads from it. */
export interface Reader {
  /** Memory for the next bytes, never empty. It is asked for again after each `received`. */
  memory(): Buffer;
  /** `count` bytes lie at the front of `memory`. False stops the reading. */
  received(memory: Buffer, count: number): boolean;
}

/**
 * Makes an accepted socket read straight into the memory of `reader`, which saves a buffer and a
 * stream event for each read. Node has that only for sockets that connect, so the handle of an
 * accepted one, which has not begun to read, moves to a new socket. Where the handle is out of
 * reach, as under TLS, the bytes are copied from 'data' events instead.
 */
export function adoptSocket(accepted: Socket, reader: Reader): Socket {
  const handle = (accepted as SocketInternals)._handle;
  if ('encrypted' in accepted || handle === undefined || handle === null) {
    return readEvents(accepted, reader);
  }
  const options = { handle, allowHalfOpen: true, onread: readInto(reader) };
  (accepted as SocketInternals)._handle = null;
  accepted.destroy();
  // The types do not know `handle`.
  return new Socket(options as SocketConstructorOpts);
}

/** Connects a socket that reads straight into the memory of `reader`. */
export function connectSocket(options: NetConnectOpts, reader: Reader): Socket {
  return connect({ ...options, onread: readInto(reader) });
}

/** Reads a socket whose bytes pass through a stream, as under TLS: they are copied once more. */
export function readEvents(socket: Socket, reader: Reader): Socket {
  socket.on('data', (chunk: Buffer) => {
    if (!reader.received(chunk, chunk.length)) socket.pause();
  });
  socket.resume();
  return socket;
}

/** Address and port of the peer, or that it came over a Unix socket. */
export function describePeer(socket: Socket): string {
  const { remoteAddress, remotePort } = socket;
  return remoteAddress === undefined ? 'local' : `${remoteAddress}:${String(remotePort)}`;
}

/** Bytes that the socket was given and the kernel has not taken; falls while the peer reads. */
export function unsentBytes(socket: Pick<Socket, 'writableLength'>): number {
  return (socket as SocketInternals)._handle?.writeQueueSize ?? socket.writableLength;
}

function readInto(reader: Reader): OnReadOpts {
  /** What Node holds; unknown until the first read, since each address that is tried asks. */
  let held: Uint8Array | undefined;
  return {
    buffer: () => {
      const memory = reader.memory();
      return memory === held ? unchanged : memory;
    },
    callback: (count, memory) => {
      held = memory;
      return reader.received(memory as Buffer, count);
    },
  };
}

/** Anything that is no Uint8Array makes Node keep the memory that it has. */
const unchanged = undefined as unknown as Uint8Array;

type SocketInternals = Omit<Socket, '_handle'> & {
  _handle?: { readonly writeQueueSize?: number } | null;
};
