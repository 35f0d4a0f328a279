import { open } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';

import type { GridErrorJson } from './errors.ts';

/** One line of an answer. */
export type ControlReply =
  | { readonly progress: unknown }
  | { readonly result: unknown }
  | { readonly error: GridErrorJson };

/** Longest order and longest line of an answer. */
export const maxControlLineBytes = 1024 * 1024;

/** Longest path that Linux takes for a Unix socket: `sun_path` less its final zero. */
const maxSocketPathBytes = 107;

/**
 * What `listen` and `connect` take for a socket at this path, which may be of any length: one that
 * is too long for the kernel is reached through a descriptor of its folder, until `release`.
 */
export async function socketAddress(
  path: string,
): Promise<{ readonly address: string; readonly release: () => Promise<void> }> {
  if (Buffer.byteLength(path) <= maxSocketPathBytes) {
    return { address: path, release: async () => {} };
  }
  const folder = await open(dirname(path), 'r');
  const address = join('/proc/self/fd', String(folder.fd), basename(path));
  return { address, release: () => folder.close() };
}

/** Calls `take` with each line that arrives; with undefined, and no more, once one is too long. */
export function eachLine(socket: Socket, take: (line: string | undefined) => void): void {
  let parts: Buffer[] = [];
  let sizeBytes = 0;
  const onData = (received: Buffer): void => {
    let rest = received;
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      const line = Buffer.concat([...parts, rest.subarray(0, end)]);
      rest = rest.subarray(end + 1);
      parts = [];
      sizeBytes = 0;
      take(line.toString());
    }
    if (rest.length > 0) parts.push(rest);
    sizeBytes += rest.length;
    if (sizeBytes <= maxControlLineBytes) return;
    parts = [];
    socket.off('data', onData);
    socket.resume();
    take(undefined);
  };
  socket.on('data', onData);
}
