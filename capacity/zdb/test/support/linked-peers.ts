import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { waitFor } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';
import type { ZdbServerOptions } from '../../src/index.ts';
import { PASSWORD } from './replicated.ts';

/**
 * Two network namespaces with a cable between them. They are inside a namespace of their own, which any
 * user may make, and which ends with this process, by whatever death.
 */
export class Cable implements AsyncDisposable {
  static readonly left = '10.213.77.1';
  static readonly right = '10.213.77.2';
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  static async open(): Promise<Cable> {
    const holder = await startHolder();
    const cable = new Cable(holder);
    try {
      cable.#lay();
    } catch (error) {
      await cable[Symbol.asyncDispose]();
      throw error;
    }
    return cable;
  }

  /** The command that runs another one at an end of the cable. */
  at(end: 'left' | 'right'): string[] {
    return [...this.#inside(), 'ip', 'netns', 'exec', end];
  }

  cut(): void {
    this.#ip('-n', 'left', 'link', 'set', 'cable', 'down');
  }

  mend(): void {
    this.#ip('-n', 'left', 'link', 'set', 'cable', 'up');
  }

  #lay(): void {
    for (const end of ['left', 'right']) this.#ip('netns', 'add', end);
    this.#ip(
      ...['link', 'add', 'cable', 'netns', 'left', 'type', 'veth'],
      ...['peer', 'cable', 'netns', 'right'],
    );
    for (const end of ['left', 'right'] as const) {
      this.#ip('-n', end, 'address', 'add', `${Cable[end]}/30`, 'dev', 'cable');
      for (const device of ['lo', 'cable']) this.#ip('-n', end, 'link', 'set', device, 'up');
    }
  }

  #inside(): string[] {
    const user = isRoot ? [] : ['--user', '--preserve-credentials'];
    return ['nsenter', '--target', String(this.#holder.pid), '--net', '--mount', ...user];
  }

  #ip(...args: string[]): void {
    const words = [...this.#inside(), 'ip', ...args];
    execFileSync('env', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode, stdin } = this.#holder;
    if (exitCode !== null || signalCode !== null) return;
    const ended = once(this.#holder, 'exit');
    stdin?.end();
    await ended;
  }
}

const isRoot = process.getuid?.() === 0;

/** A process that keeps the namespaces alive as long as its input is open. */
async function startHolder(): Promise<ChildProcess> {
  const user = isRoot ? [] : ['--user', '--map-root-user'];
  const script = 'mount -t tmpfs none /run && mkdir /run/netns && echo ready && exec cat';
  const words = [...user, '--net', '--mount', 'sh', '-c', script];
  const holder = spawn('unshare', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await Promise.race([
    once(holder.stdout, 'data'),
    once(holder, 'exit').then(() => ['']),
  ])) as [Buffer | string];
  if (String(line).startsWith('ready')) return holder;
  throw new Error('this machine lets its user make no network namespace: see above');
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
