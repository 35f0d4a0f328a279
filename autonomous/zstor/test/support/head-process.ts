import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { CatalogFixture } from './catalog-fixture.ts';

/** A head in a process of its own. */
export class HeadProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(child: ChildProcess, lines: AsyncIterator<string>) {
    this.#child = child;
    this.#lines = lines;
  }

  /** Resolves when it serves. */
  static async open(fixture: CatalogFixture, name: string): Promise<HeadProcess> {
    const { NODE_TEST_CONTEXT: _runner, ...env } = process.env;
    const program = join(import.meta.dirname, '../processes/catalog-head.ts');
    const folder = join(fixture.folder.path, name);
    const snapshots = join(fixture.folder.path, 'snapshots');
    const port = String(fixture.servers[0]?.port);
    const child = spawn(process.execPath, [program, folder, snapshots, port], {
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const head = new HeadProcess(child, lines);
    const first = await head.#next();
    if (first !== 'serving') throw new Error(`the head said ${first}`);
    return head;
  }

  async ask(command: string): Promise<string> {
    this.send(command);
    return this.#next();
  }

  send(command: string): void {
    this.#child.stdin?.write(`${command}\n`);
  }

  /** The next answer to what was sent. */
  async #next(): Promise<string> {
    const { value, done } = await this.#lines.next();
    return done === true ? 'ended' : value;
  }

  answer(): Promise<string> {
    return this.#next();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
