import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export type Side = 'left' | 'right';

/**
 * Two network namespaces with a cable between them, inside a namespace of their own that any user may
 * make, and that ends with this process by whatever death.
 */
export class TwoNamespaces implements AsyncDisposable {
  static readonly left = '10.213.78.1';
  static readonly right = '10.213.78.2';
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  static async open(): Promise<TwoNamespaces> {
    const user = isRoot ? [] : ['--user', '--map-root-user'];
    const script = 'mount -t tmpfs none /run && mkdir /run/netns && echo ready && exec cat';
    const holder = spawn('unshare', [...user, '--net', '--mount', 'sh', '-c', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await firstLine(holder);
    const namespaces = new TwoNamespaces(holder);
    try {
      namespaces.#lay();
    } catch (error) {
      await namespaces[Symbol.asyncDispose]();
      throw error;
    }
    return namespaces;
  }

  /** Starts a program of Node on one side; resolves with its first line. */
  async start(side: Side, script: string, plan: object): Promise<StartedProcess> {
    const path = new URL(`../processes/${script}`, import.meta.url).pathname;
    const node = [process.execPath, path, JSON.stringify(plan)];
    const words = [...this.#inside(), 'ip', 'netns', 'exec', side, ...node];
    const child = spawn('env', words, { stdio: ['pipe', 'pipe', 'inherit'] });
    return new StartedProcess(child, await firstLine(child));
  }

  #lay(): void {
    for (const side of ['left', 'right']) this.#ip('netns', 'add', side);
    this.#ip(
      ...['link', 'add', 'cable', 'netns', 'left', 'type', 'veth'],
      ...['peer', 'cable', 'netns', 'right'],
    );
    for (const side of ['left', 'right'] as const) {
      this.#ip('-n', side, 'address', 'add', `${TwoNamespaces[side]}/30`, 'dev', 'cable');
      for (const device of ['lo', 'cable']) this.#ip('-n', side, 'link', 'set', device, 'up');
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
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const ended = once(this.#holder, 'exit');
    this.#holder.stdin?.end();
    await ended;
  }
}

export class StartedProcess implements AsyncDisposable {
  readonly line: string;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess, line: string) {
    this.#child = child;
    this.line = line;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** As when the machine's power goes. */
  async kill(): Promise<void> {
    const ended = this.#child.exitCode ?? this.#child.signalCode;
    if (ended !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

const isRoot = process.getuid?.() === 0;

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('there is no output to read');
  const [data] = (await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => ['']),
  ])) as [Buffer | string];
  const line = String(data).trim();
  if (line === '') throw new Error('a process ended before it was ready: see above');
  return line;
}
