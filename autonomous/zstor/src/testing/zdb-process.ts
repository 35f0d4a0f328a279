import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { reservePort } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';

const grid = resolve(import.meta.dirname, '../../../../grid');

/** A real Zero-DB in a process of its own, which a test may stop, kill and start again. */
export class ZdbProcess implements AsyncDisposable {
  readonly dataDir: string;
  #process: ChildProcess;
  readonly port: number;

  constructor(dataDir: string, process: ChildProcess, port: number) {
    this.dataDir = dataDir;
    this.#process = process;
    this.port = port;
  }

  static async open(folder: string, namespaces: readonly string[] = []): Promise<ZdbProcess> {
    const dataDir = join(folder, 'zdb');
    const port = await reservePort();
    const server = new ZdbProcess(dataDir, await start(dataDir, port), port);
    await server.makeNamespaces(namespaces);
    return server;
  }

  connect(): Promise<RespClient> {
    return RespClient.connect({ port: this.port });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async makeNamespaces(names: readonly string[]): Promise<void> {
    await using client = await this.connect();
    for (const name of names) await client.command(['NSNEW', name]);
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }

  /** On the same port and, unless it was removed, the same data. */
  async restart(): Promise<void> {
    await this.kill();
    this.#process = await start(this.dataDir, this.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** Resolves once it listens. */
async function start(dataDir: string, port: number): Promise<ChildProcess> {
  const { NODE_TEST_CONTEXT: _runner, ...env } = process.env;
  const words = ['zdb', 'serve', '--data', dataDir, '--listen', `127.0.0.1:${port}`, '--json'];
  const child = spawn(grid, words, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  for await (const _line of lines) {
    lines.close();
    return child;
  }
  throw new Error('grid zdb serve ended before it listened');
}
