import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';

/** The repository that is under test. */
export const root = resolve(import.meta.dirname, '..', '..');

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Variables besides the usual ones. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Runs a program to its end, without the variables of the test runner around it. */
export async function run(
  program: string,
  words: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  const { NODE_TEST_CONTEXT: _runner, ...inherited } = process.env;
  const child = spawn(program, words, {
    cwd: options.cwd ?? tmpdir(),
    env: { ...inherited, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { status, stdout, stderr };
}

/** A new folder that is removed at the end of the test. */
export async function tempFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'grid-e2e-'));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 10 }),
  };
}

export interface TestGridOptions {
  /** The layout of its storage. Default none: S3 and its Zero-DBs take seconds to start. */
  readonly shards?: string;
  /** With a node, which needs root. Default none: it takes seconds more. */
  readonly hasNode?: boolean;
  /** With the bots of a farmer and a buyer. Default none: they take seconds more. */
  readonly hasBots?: boolean;
}

/** A GRID_HOME of its own, and the command on it. Taken down at the end of the test. */
export class TestGrid implements AsyncDisposable {
  readonly home: string;
  readonly #folder: AsyncDisposable;
  readonly #choices: readonly string[];

  constructor(folder: AsyncDisposable & { readonly path: string }, options: TestGridOptions) {
    const { shards = 'none', hasNode = false, hasBots = false } = options;
    this.#folder = folder;
    const node = hasNode ? ['--volume-size', '1GiB'] : ['--no-node'];
    this.#choices = ['--shards', shards, ...node, ...(hasBots ? [] : ['--no-bots'])];
    this.home = join(folder.path, 'home');
  }

  static async open(options: TestGridOptions = {}): Promise<TestGrid> {
    return new TestGrid(await tempFolder(), options);
  }

  run(...words: string[]): Promise<Ended> {
    const choices = words[0] === 'up' ? this.#choices : [];
    return this.runOnly(...words, ...choices);
  }

  /** The same, with no other choices than these words. */
  runOnly(...words: string[]): Promise<Ended> {
    return run(join(root, 'grid'), words, { env: { GRID_HOME: this.home } });
  }

  /** The JSON result of a command that must succeed. */
  async json<T>(...words: string[]): Promise<T> {
    const { status, stdout, stderr } = await this.run(...words, '--json');
    if (status !== 0) throw new Error(`grid ${words.join(' ')}: ${status}\n${stdout}${stderr}`);
    return JSON.parse(stdout) as T;
  }

  async close(): Promise<void> {
    await using _folder = this.#folder;
    const { status, stderr } = await this.run('down');
    if (status !== 0) throw new Error(`grid down: ${status}\n${stderr}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
