import { isGridError } from '@commongrid/base';
import { type TempFolder, tempFolder } from '@commongrid/base/testing';
import { type Reply, type RespArgument, RespClient } from '@commongrid/resp';
import { ZdbServer, type ZdbServerOptions } from '../../src/index.ts';

/** A server on a free port over a folder of its own, and the clients that were made for it. */
export class Door implements AsyncDisposable {
  readonly server: ZdbServer;
  readonly port: number;
  readonly folder: TempFolder;
  readonly #clients: RespClient[] = [];

  constructor(server: ZdbServer, folder: TempFolder) {
    this.server = server;
    this.folder = folder;
    this.port = server.addresses[0]?.port ?? 0;
  }

  static async open(options: Partial<ZdbServerOptions> = {}): Promise<Door> {
    await using opened = new AsyncDisposableStack();
    const folder = opened.use(await tempFolder('zdb-door'));
    const door = new Door(await openServer(folder.path, options), folder);
    opened.move();
    return door;
  }

  async client(options: { password?: string; protocol?: 2 | 3 } = {}): Promise<Asker> {
    const client = await RespClient.connect({ port: this.port, ...options });
    this.#clients.push(client);
    return (...args) => ask(client, args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using stack = new AsyncDisposableStack();
    stack.use(this.folder);
    stack.use(this.server);
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}

export function openServer(
  dataDir: string,
  options: Partial<ZdbServerOptions> = {},
): Promise<ZdbServer> {
  return ZdbServer.open({ dataDir, listen: [{ host: '127.0.0.1', port: 0 }], ...options });
}

/** Sends a command and resolves with its reply, errors included, as one text. */
export type Asker = (...args: RespArgument[]) => Promise<string>;

async function ask(client: RespClient, args: readonly RespArgument[]): Promise<string> {
  try {
    return show(await client.command(args));
  } catch (error) {
    if (isGridError(error, 'RESP_REPLY_ERROR')) return `-${error.message}`;
    throw error;
  }
}

/** `+status`, `"bulk"`, `:1`, `nil`, `[a, b]`, `{k: v}`. */
export function show(reply: Reply): string {
  if (reply === null) return 'nil';
  if (typeof reply === 'string') return `+${reply}`;
  if (Buffer.isBuffer(reply)) return `"${reply.toString('latin1')}"`;
  if (Array.isArray(reply)) return `[${reply.map(show).join(', ')}]`;
  if (reply instanceof Map) {
    return `{${[...reply].map(([key, value]) => `${show(key)}: ${show(value)}`).join(', ')}}`;
  }
  if (reply instanceof Error) return `-${reply.message}`;
  return `:${JSON.stringify(reply)}`;
}

/** The text between the quotes that `show` puts around a bulk string, as bytes. */
export function bytesOf(shown: string): Buffer {
  return Buffer.from(shown.slice(1, -1), 'latin1');
}

/** A field of INFO or NSINFO. */
export function field(info: string, name: string): string | undefined {
  return new RegExp(`^${name}: ?(.*)\\r$`, 'm').exec(info)?.[1];
}
