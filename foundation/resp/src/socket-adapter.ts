import { Socket } from 'node:net';

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
  let current: Buffer | undefined;
  const options = {
    handle,
    allowHalfOpen: true,
    onread: {
      buffer(): Buffer | undefined {
        const memory = reader.memory();
        if (memory === current) return undefined; // Node keeps the one that it has.
        current = memory;
        return memory;
      },
      callback: (count: number, memory: Buffer) => reader.received(memory, count),
    },
  };
  (accepted as SocketInternals)._handle = null;
  accepted.destroy();
  return new Socket(options as object);
}

/** Bytes that the socket was given and the kernel has not taken; falls while the peer reads. */
export function unsentBytes(socket: Socket): number {
  return (socket as SocketInternals)._handle?.writeQueueSize ?? socket.writableLength;
}

function readEvents(socket: Socket, reader: Reader): Socket {
  socket.on('data', (chunk: Buffer) => {
    if (!reader.received(chunk, chunk.length)) socket.pause();
  });
  socket.resume();
  return socket;
}

type SocketInternals = Omit<Socket, '_handle'> & {
  _handle?: { readonly writeQueueSize?: number } | null;
};
