import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/**
 * Two network namespaces with a cable between them, inside a namespace of their own that any user may
 * make, and that ends with this process by whatever death.
 */
export class Cable implements AsyncDisposable {
  /** Addresses of its ends. */
  static readonly left = '10.213.77.1';
  static readonly right = '10.213.77.2';
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  /** @throws when this machine lets its user make no network namespace */
  static async open(): Promise<Cable> {
    const user = isRoot ? [] : ['--user', '--map-root-user'];
    const script = 'mount -t tmpfs none /run && mkdir /run/netns && echo ready && exec cat';
    const holder = spawn('unshare', [...user, '--net', '--mount', 'sh', '-c', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await firstLineOf(holder);
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
  at(end: 'left' | 'right'): readonly string[] {
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

  #inside(): readonly string[] {
    const user = isRoot ? [] : ['--user', '--preserve-credentials'];
    return ['nsenter', '--target', String(this.#holder.pid), '--net', '--mount', ...user];
  }

  #ip(...args: readonly string[]): void {
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

/** The line by which a process says that it is ready. @throws when it ends before */
export async function firstLineOf(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('there is no output to read');
  const [data] = (await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => ['']),
  ])) as [Buffer | string];
  const line = String(data).trim();
  if (line === '') throw new Error('a process ended before it was ready: see above');
  return line;
}
