import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

import { collectionFlags, delay } from '@commongrid/base';
import { cpuSecondsOf } from '@commongrid/system/bench';
import { ZdbFleet } from '@commongrid/zstor/testing';

import { accessKey, secretKey } from '../test/signed-request.ts';
import { fourPlusTwo, HeadProcess, sixteenPlusFour } from '../test/support/head-process.ts';
import type { LoadResult, LoadSpec } from './load-spec.ts';

const execute = promisify(execFile);
/** What comes after the answers, such as the last shards, belongs to them. */
const settleMs = 300;

/** What a measurement does; where, the server knows. */
export type Load = Pick<
  LoadSpec,
  'method' | 'prefix' | 'objects' | 'sizeBytes' | 'requests' | 'connections'
>;

export interface Sample {
  readonly load: LoadResult;
  /** CPU time that was used meanwhile, user and system, all threads. */
  readonly headSeconds: number;
  /** The same of the servers behind it together; 0 without them. */
  readonly behindSeconds: number;
}

/** A server under load: one process that is asked, and perhaps others behind it. */
export class BenchServer implements AsyncDisposable {
  readonly port: number;
  readonly fleet: ZdbFleet | undefined;
  readonly #pid: number;
  readonly #signal: AbortSignal;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    at: { readonly port: number; readonly pid: number; readonly fleet?: ZdbFleet },
    signal: AbortSignal,
    stack: AsyncDisposableStack,
  ) {
    this.port = at.port;
    this.fleet = at.fleet;
    this.#pid = at.pid;
    this.#signal = signal;
    this.#stack = stack;
  }

  /** The rival. */
  static async openFiles(folder: string, signal: AbortSignal): Promise<BenchServer> {
    await using stack = new AsyncDisposableStack();
    await mkdir(folder, { recursive: true });
    const program = join(import.meta.dirname, 'file-server-main.ts');
    // With the same garbage collection as our head.
    const child = spawn(process.execPath, [...collectionFlags.requests, program, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    stack.defer(() => void child.kill('SIGKILL'));
    const port = Number(await firstLine(child));
    return new BenchServer({ port, pid: child.pid ?? 0 }, signal, stack.move());
  }

  /** A head, and a Zero-DB for each shard, each a process with fsync. */
  static async openS3(
    folder: string,
    layout: '4+2' | '16+4',
    signal: AbortSignal,
  ): Promise<BenchServer> {
    await using stack = new AsyncDisposableStack();
    const policy = layout === '4+2' ? fourPlusTwo : sixteenPlusFour;
    const fleet = stack.use(await ZdbFleet.open(policy.dataShards + policy.parityShards));
    const backendsFile = await fleet.makeStore('bench');
    const place = { folder, backendsFile, keyFile: join(folder, 'key'), policy };
    await mkdir(folder, { recursive: true });
    const head = stack.use(await HeadProcess.open(place));
    const { port, pid } = head;
    return new BenchServer({ port, pid, fleet }, signal, stack.move());
  }

  async load(what: Load): Promise<LoadResult> {
    const where = { port: this.port, region: 'us-east-1', bucket: 'bench', accessKey, secretKey };
    const program = join(import.meta.dirname, 'load-main.ts');
    const words = [program, JSON.stringify({ ...where, ...what })];
    const { stdout } = await execute(process.execPath, words, { signal: this.#signal });
    return JSON.parse(stdout) as LoadResult;
  }

  async sample(what: Load): Promise<Sample> {
    const before = await this.#cpu();
    const load = await this.load(what);
    await delay(settleMs, { signal: this.#signal });
    const after = await this.#cpu();
    return {
      load,
      headSeconds: after.head - before.head,
      behindSeconds: after.behind - before.behind,
    };
  }

  async #cpu(): Promise<{ readonly head: number; readonly behind: number }> {
    const head = await cpuSecondsOf(this.#pid);
    const servers = this.fleet?.servers ?? [];
    const behind = await Promise.all(servers.map(({ pid }) => cpuSecondsOf(pid)));
    return { head, behind: behind.reduce((sum, seconds) => sum + seconds, 0) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  if (stdout === null) throw new Error('the server has no output');
  const lines = createInterface({ input: stdout });
  for await (const line of lines) {
    lines.close();
    return line;
  }
  throw new Error('the server ended before it listened');
}
