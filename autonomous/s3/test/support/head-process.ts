import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { collectionFlags, reservePort } from '@commongrid/base';
import type { CareTimes, StoragePolicy } from '@commongrid/zstor';

export const fourPlusTwo: StoragePolicy = {
  dataShards: 4,
  parityShards: 2,
  chunkSizeBytes: 4 * 2 ** 20,
  compression: 'none',
};
export const sixteenPlusFour: StoragePolicy = { ...fourPlusTwo, dataShards: 16, parityShards: 4 };

export interface HeadPlace {
  /** Of its tables. */
  readonly folder: string;
  readonly backendsFile: string;
  readonly keyFile: string;
  readonly policy: StoragePolicy;
  readonly care?: CareTimes;
  /** Default: one of its own. */
  readonly port?: number;
}

/** A head of S3 in a process of its own, which a test may freeze, kill and start again. */
export class HeadProcess implements AsyncDisposable {
  readonly port: number;
  readonly #place: HeadPlace;
  #process: ChildProcess;

  private constructor(place: HeadPlace, process: ChildProcess, port: number) {
    this.#place = place;
    this.#process = process;
    this.port = port;
  }

  /** Resolves once it serves. */
  static async open(place: HeadPlace): Promise<HeadProcess> {
    const { port = await reservePort() } = place;
    return new HeadProcess(place, await start({ ...place, port }), port);
  }

  /** Does not wait: it stands by as long as another head serves. */
  static standBy(place: HeadPlace & { readonly port: number }): HeadProcess {
    return new HeadProcess(place, spawnHead(place), place.port);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
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

  /** At the same address, with the same tables; resolves once it serves. */
  async restart(): Promise<void> {
    await this.kill();
    this.#process = await start({ ...this.#place, port: this.port });
  }

  /** As `standBy`, after its end. */
  async standByAgain(): Promise<void> {
    await this.kill();
    this.#process = spawnHead({ ...this.#place, port: this.port });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

async function start(place: HeadPlace): Promise<ChildProcess> {
  const child = spawnHead(place);
  if (child.stdout === null) throw new Error('the head has no output');
  const lines = createInterface({ input: child.stdout });
  for await (const _line of lines) {
    lines.close();
    return child;
  }
  throw new Error('the head ended before it served');
}

function spawnHead(place: HeadPlace): ChildProcess {
  const { NODE_TEST_CONTEXT: _runner, ...env } = process.env;
  const program = join(import.meta.dirname, '../processes/head.ts');
  const words = [...collectionFlags.requests, program, JSON.stringify(place)];
  return spawn(process.execPath, words, { env, stdio: ['ignore', 'pipe', 'inherit'] });
}
