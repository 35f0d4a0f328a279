import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const serverFile = fileURLToPath(new URL('server-main.ts', import.meta.url));
const loaderFile = fileURLToPath(new URL('http-load-main.ts', import.meta.url));
const outputBytesMax = 16 * 1024 * 1024;

/** What a server for the benchmark says of itself. */
export interface ServerFacts {
  readonly httpPort: number;
  readonly redisPort: number;
  readonly log: string;
  readonly schema: string;
  /** Seeds of keys that may write, hex. */
  readonly writers: readonly string[];
}

/** What the loader is to do: each writer sends its records one after the other. */
export interface HttpLoad extends ServerFacts {
  readonly requestsEach: number;
  /** Counter of the first record of each writer. */
  readonly firstN: number;
}

/** A BCDB in a process of its own, so that the load does not share its thread. */
export class BenchServer implements AsyncDisposable {
  readonly facts: ServerFacts;
  readonly pid: number;
  readonly #stop: () => Promise<void>;

  private constructor(facts: ServerFacts, pid: number, stop: () => Promise<void>) {
    this.facts = facts;
    this.pid = pid;
    this.#stop = stop;
  }

  static async start(dataDir: string, token: string, writers: number): Promise<BenchServer> {
    const child = spawn(process.execPath, [serverFile, dataDir, token, String(writers)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await Promise.race([
      once(createInterface(child.stdout), 'line'),
      once(child, 'exit').then(() => ['']),
    ])) as [string];
    if (line === '' || child.pid === undefined) throw new Error('the server did not start');
    return new BenchServer(JSON.parse(line) as ServerFacts, child.pid, async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stop();
  }
}

/** Requests a second. */
export async function runHttpLoad(load: HttpLoad, signal: AbortSignal): Promise<number> {
  const { stdout } = await execute(process.execPath, [loaderFile, JSON.stringify(load)], {
    signal,
  });
  return (JSON.parse(stdout) as { readonly perSecond: number }).perSecond;
}

export interface RedisLoad {
  readonly port: number;
  readonly clients: number;
  readonly requests: number;
  readonly token?: string;
  readonly command: readonly string[];
}

/** Requests a second by redis-benchmark, one in flight for each client. */
export async function runRedisLoad(load: RedisLoad, signal: AbortSignal): Promise<number> {
  const { port, clients, requests, token, command } = load;
  const login = token === undefined ? [] : ['-a', token];
  const args = ['-p', port, ...login, '-c', clients, '-n', requests, '-r', 1_000_000_000, '--csv'];
  const { stdout } = await execute('redis-benchmark', [...args.map(String), ...command], {
    signal,
    maxBuffer: outputBytesMax,
  });
  const fields = (stdout.trim().split('\n').at(-1) ?? '').split(',').slice(-7);
  const perSecond = Number(fields[0]?.replaceAll('"', ''));
  if (perSecond > 0) return perSecond;
  throw new Error(`redis-benchmark gave no figures: ${stdout.slice(-300)}`);
}
