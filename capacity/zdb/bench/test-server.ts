import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

import { waitFor, withTimeout } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';
import type { Reply } from '@commongrid/resp';
import { cpuSecondsOf } from '@commongrid/system/bench';

export type Product = 'ours' | 'redis';
/** `everysec` and `always` mean the same to both. */
export type Durability = 'always' | 'everysec';

const launcher = fileURLToPath(new URL('../../../grid', import.meta.url));
const startTimeoutMs = 120_000;
const stopTimeoutMs = 60_000;

/** A server as a user gets it: a process of its own, on loopback, in a folder of its own. */
export class TestServer implements AsyncDisposable {
  readonly product: Product;
  readonly dataDir: string;
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #client: RespClient;

  private constructor(
    product: Product,
    dataDir: string,
    port: number,
    child: ChildProcess,
    client: RespClient,
  ) {
    this.product = product;
    this.dataDir = dataDir;
    this.port = port;
    this.#child = child;
    this.#client = client;
  }

  /** Starts it; it has answered PING when this resolves. Its log goes to `<dataDir>.log`. */
  static async start(
    product: Product,
    dataDir: string,
    durability: Durability,
    signal: AbortSignal,
  ): Promise<TestServer> {
    await mkdir(dataDir, { recursive: true });
    const port = await freePort();
    const [program, args] =
      product === 'ours'
        ? ourCommand(dataDir, port, durability)
        : redisCommand(dataDir, port, durability);
    await using log = await open(`${dataDir}.log`, 'a');
    const child = spawn(program, args, { stdio: ['ignore', log.fd, log.fd] });
    child.on('error', () => {});
    try {
      const client = await waitFor(() => connectTo(child, port, dataDir), {
        timeoutMs: startTimeoutMs,
        what: `${product} to answer`,
        everyMs: 2,
        signal,
      });
      return new TestServer(product, dataDir, port, child, client);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  /** The launcher becomes the server by exec, so the child is the server itself. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  command(...args: string[]): Promise<Reply> {
    return this.#client.command(args);
  }

  cpuSeconds(): Promise<number> {
    return cpuSecondsOf(this.pid);
  }

  async keyCount(): Promise<number> {
    return Number(await this.command('DBSIZE'));
  }

  /** A field of INFO that is a number. */
  async info(field: string): Promise<number> {
    const text = await this.command('INFO');
    const lines = Buffer.isBuffer(text) ? text.toString() : '';
    const value = new RegExp(`^${field}:(.*)$`, 'm').exec(lines)?.[1]?.trim();
    if (value === undefined) throw new Error(`INFO of ${this.product} has no ${field}`);
    return Number(value);
  }

  /** Bytes that it has written to its log, or append-only file. */
  logBytes(): Promise<number> {
    return this.info(this.product === 'ours' ? 'log_bytes' : 'aof_current_size');
  }

  /** A line of /proc/PID/<file>, its first number. */
  async proc(file: 'status' | 'io', field: string): Promise<number> {
    const text = await readFile(`/proc/${this.pid}/${file}`, 'utf8');
    return Number(new RegExp(`^${field}:\\s*(\\d+)`, 'm').exec(text)?.[1]);
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.#client.close();
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    try {
      await withTimeout(() => exited, { timeoutMs: stopTimeoutMs, what: 'a server to end' });
    } finally {
      child.kill('SIGKILL');
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop('SIGKILL');
  }
}

function ourCommand(dataDir: string, port: number, durability: Durability): [string, string[]] {
  const where = ['--data', dataDir, '--listen', `127.0.0.1:${port}`];
  return [launcher, ['zdb', 'serve', ...where, '--durability', durability]];
}

function redisCommand(dataDir: string, port: number, durability: Durability): [string, string[]] {
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    dir: dataDir,
    save: '',
    appendonly: 'yes',
    appendfsync: durability,
    'auto-aof-rewrite-percentage': '0',
    loglevel: 'warning',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  return ['redis-server', args];
}

async function connectTo(
  child: ChildProcess,
  port: number,
  dataDir: string,
): Promise<RespClient | undefined> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
    const log = await readFile(`${dataDir}.log`, 'utf8');
    throw new Error(`${child.spawnfile} did not start: ${log.slice(-500)}`);
  }
  try {
    const client = await RespClient.connect({ port });
    await client.command(['PING']);
    return client;
  } catch {
    return undefined; // It does not listen yet.
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
