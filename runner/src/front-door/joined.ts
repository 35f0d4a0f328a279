import type { Socket } from 'node:net';

/** A client and the replica that it is joined to. */
export class Joined {
  readonly client: Socket;
  readonly replica: Socket;
  /** Resolves when both connections are closed. */
  readonly closed: Promise<unknown>;

  constructor(client: Socket, replica: Socket) {
    this.client = client;
    this.replica = replica;
    this.closed = Promise.all([closing(client, replica), closing(replica, client)]);
    // Either side may end its half and go on with the other. What a side does not take, the other waits with.
    client.pipe(replica);
    replica.pipe(client);
  }

  /** Ends it as something that went wrong: what was sent so far must not pass for all. */
  cut(): void {
    this.client.resetAndDestroy();
    this.replica.resetAndDestroy();
  }
}

function closing(socket: Socket, other: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on('error', () => other.resetAndDestroy());
  socket.once('close', () => resolve());
  if (socket.destroyed) {
    other.resetAndDestroy();
    resolve();
  }
  return promise;
}
