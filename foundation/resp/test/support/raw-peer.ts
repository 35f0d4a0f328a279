import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { waitFor } from '@commongrid/base';
import type { RespServer } from '../../src/index.ts';

/** A peer that sends exactly the bytes it is told, and collects what it gets. */
export class RawPeer {
  readonly socket: Socket;
  received = '';
  hasEnded = false;
  isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => (this.received += text));
    socket.on('end', () => (this.hasEnded = true));
    socket.on('close', () => (this.isClosed = true));
    socket.on('error', () => (this.isClosed = true));
  }

  static async connect(server: RespServer): Promise<RawPeer> {
    const socket = connect({ ...addressOf(server), allowHalfOpen: true, noDelay: true });
    await once(socket, 'connect');
    return new RawPeer(socket);
  }

  send(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Resolves once exactly `text` has come, and fails when anything else does. */
  async expect(text: string): Promise<void> {
    const isDone = (): boolean => this.received.length >= text.length || this.isClosed;
    await waitFor(isDone, { timeoutMs: 10_000, what: JSON.stringify(text.slice(0, 60)) });
    if (this.received !== text) {
      throw new Error(`got ${JSON.stringify(this.received.slice(0, 200))}`);
    }
    this.received = '';
  }

  async ended(): Promise<void> {
    await waitFor(() => this.hasEnded || this.isClosed, { timeoutMs: 10_000, what: 'the end' });
  }

  async closed(): Promise<void> {
    await waitFor(() => this.isClosed, { timeoutMs: 10_000, what: 'the close' });
  }
}

export function addressOf(server: RespServer): { host: string; port: number } {
  const [address] = server.addresses;
  if (address === undefined) throw new Error('the server listens on no address');
  return address;
}

export function encodeRequest(...args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`;
}
