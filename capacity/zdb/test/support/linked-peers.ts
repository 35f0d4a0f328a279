import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { waitFor } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';
import type { ZdbServerOptions } from '../../src/index.ts';
import { PASSWORD } from './replicated.ts';

/** Two network namespaces with a cable between them. */
export class Cable implements AsyncDisposable {
  static readonly left = '10.213.77.1';
  static readonly right = '10.213.77.2';
  readonly #names: readonly [string, string];

  constructor() {
    const id = `${process.pid.toString(36)}${Date.now().toString(36).slice(-4)}`;
    this.#names = [`zl${id}`, `zr${id}`];
    const [left, right] = this.#names;
    try {
      for (const name of this.#names) ip('netns', 'add', name);
      ip('link', 'add', 'cable', 'netns', left, 'type', 'veth', 'peer', 'cable', 'netns', right);
      for (const [name, address] of [
        [left, Cable.left],
        [right, Cable.right],
      ] as const) {
        ip('-n', name, 'address', 'add', `${address}/30`, 'dev', 'cable');
        for (const device of ['lo', 'cable']) ip('-n', name, 'link', 'set', device, 'up');
      }
    } catch (error) {
      this.#remove();
      throw error;
    }
  }

  /** The command that runs another one at an end of the cable. */
  at(end: 'left' | 'right'): string[] {
    return ['ip', 'netns', 'exec', this.#names[end === 'left' ? 0 : 1]];
  }

  cut(): void {
    ip('-n', this.#names[0], 'link', 'set', 'cable', 'down');
  }

  mend(): void {
    ip('-n', this.#names[0], 'link', 'set', 'cable', 'up');
  }

  #remove(): void {
    const known = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' });
    for (const name of this.#names) if (known.includes(name)) ip('netns', 'delete', name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#remove();
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

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
    const [line] = (await Promise.race([
      once(child.stdout, 'data'),
      once(child, 'exit').then(() => ['exit']),
    ])) as [Buffer | string];
    if (!String(line).startsWith('ready')) throw new Error(`no server at ${this.folder}`);
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
      timeoutMs: 15_000,
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
