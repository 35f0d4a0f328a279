import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { waitFor } from '@commongrid/base';
import { firstLineOf } from '@commongrid/base/testing';
import { RespClient } from '@commongrid/resp';
import type { ZdbServerOptions } from '../../src/index.ts';
import { PASSWORD } from './replicated.ts';

/** A server process at an end of a cable; it is spoken to over a Unix socket, cable or not. */
export class PeerProcess implements AsyncDisposable {
  readonly folder: string;
  readonly #prefix: readonly string[];
  readonly #options: Partial<ZdbServerOptions>;
  #child: ChildProcess | undefined;
  #client: RespClient | undefined;

  constructor(folder: string, prefix: readonly string[], options: Partial<ZdbServerOptions>) {
    this.folder = folder;
    this.#prefix = prefix;
    this.#options = options;
  }

  async start(options: Partial<ZdbServerOptions> = {}): Promise<this> {
    const socketPath = `${this.folder}.sock`;
    const all = {
      dataDir: this.folder,
      adminPassword: PASSWORD,
      socketPath,
      ...this.#options,
      ...options,
    };
    const script = new URL('../processes/peer.ts', import.meta.url).pathname;
    const args = [...this.#prefix, process.execPath, script, JSON.stringify(all)];
    const child = spawn('env', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    await firstLineOf(child);
    this.#client = await RespClient.connect({ socketPath, password: PASSWORD });
    return this;
  }

  get client(): RespClient {
    if (this.#client === undefined) throw new Error('the server does not run');
    return this.#client;
  }

  /** A field of INFO; empty when there is none. */
  async info(name: string): Promise<string> {
    const text = await this.client.command(['INFO']);
    const match = new RegExp(`^${name}: ?(.*?)\r?$`, 'm').exec(
      Buffer.isBuffer(text) ? text.toString() : '',
    );
    return match?.[1] ?? '';
  }

  async sequence(): Promise<number> {
    return Number(await this.info('durable_sequence'));
  }

  /** Waits until it has on disk exactly what another one has. */
  async reach(other: PeerProcess): Promise<void> {
    await waitFor(async () => (await this.sequence()) === (await other.sequence()), {
      timeoutMs: 60_000,
      everyMs: 50,
      what: `${this.folder} to reach ${other.folder}`,
    });
  }

  /** As when the machine's power goes. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return;
    const ended = child.exitCode === null ? once(child, 'exit') : undefined;
    child.kill(signal);
    await ended;
    await this.#client?.close();
    this.#client = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
