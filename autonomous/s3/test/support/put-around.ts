import { once } from 'node:events';
import { connect } from 'node:net';

import { signedHead } from '../signed-request.ts';

export interface PutTarget {
  readonly path: string;
  readonly query?: string;
}

/**
 * Sends all of a body but its last byte, has `meanwhile` done, and sends that.
 * @returns the code of the error, or the status
 */
export async function putAround(
  port: number,
  target: PutTarget,
  sizeBytes: number,
  meanwhile: () => Promise<unknown>,
): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  const headers = {
    ...{ 'content-length': String(sizeBytes), connection: 'close', expect: '100-continue' },
  };
  socket.write(signedHead({ method: 'PUT', ...target, headers }));
  // It is asked for its body once all that can be refused ahead of it was looked at.
  await once(socket, 'data');
  socket.write(Buffer.alloc(sizeBytes - 1, 'x'));
  await meanwhile();
  socket.write('x');
  await once(socket, 'close');
  const text = Buffer.concat(parts).toString('latin1');
  return /<Code>(\w+)</.exec(text)?.[1] ?? /\r\n\r\nHTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? text;
}
