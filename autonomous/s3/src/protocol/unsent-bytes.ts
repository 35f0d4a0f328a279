// oxlint-disable no-underscore-dangle -- the one place that reaches into
// Node: how much of a write the kernel has taken stands nowhere else.
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Bytes of an answer that the kernel has not taken; falls while the client reads. */
export function unsentBytes({ socket, writableLength }: ServerResponse): number {
  const internals: SocketInternals | null = socket;
  return internals?._handle?.writeQueueSize ?? writableLength;
}

type SocketInternals = Omit<Socket, '_handle'> & {
  _handle?: { readonly writeQueueSize?: number } | null;
};
