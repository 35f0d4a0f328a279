import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server } from 'node:net';

import { socketAddress } from './control-wire.ts';

export interface PrivateSocket {
  readonly server: Server;
  /** Once the server has closed. */
  readonly release: () => Promise<void>;
}

/**
 * A Unix socket that only its owner may connect to, in place of whatever is at the path: whoever
 * opens it holds the lock of the folder, so that is a dead process's.
 */
export async function openPrivateSocket(
  path: string,
  connectionsMax: number,
): Promise<PrivateSocket> {
  await rm(path, { force: true });
  const { address, release } = await socketAddress(path);
  const server = createServer();
  server.maxConnections = connectionsMax;
  try {
    server.listen(address);
    await once(server, 'listening');
    chmodSync(address, 0o600);
    return { server, release };
  } catch (error) {
    server.close();
    await release();
    throw error;
  }
}
