import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Genesis } from '../../src/record/genesis.ts';

const mainFile = fileURLToPath(new URL('grid-server-main.ts', import.meta.url));

/** What a server says of itself once it is open. */
export interface GridFacts {
  readonly port: number;
  readonly log: string;
  readonly genesis: Genesis;
  readonly size: number;
}

/** Asks for so many records more. */
export interface GridRequest {
  readonly write: number;
}

/** They are in the log, with a tick behind them. */
export interface GridStep {
  readonly size: number;
}

export interface GridServerOptions {
  readonly dataDir: string;
  readonly ownerToken: string;
  readonly participants: number;
}

/** The sequencer with its HTTP door, in a process of its own. */
export class GridServer implements AsyncDisposable {
  readonly facts: GridFacts;
  readonly #child: ChildProcess;

  private constructor(facts: GridFacts, child: ChildProcess) {
    this.facts = facts;
    this.#child = child;
  }

  static async start(options: GridServerOptions): Promise<GridServer> {
    const { dataDir, ownerToken, participants } = options;
    const child = fork(mainFile, [dataDir, ownerToken, String(participants)]);
    return new GridServer((await answerOf(child)) as GridFacts, child);
  }

  /** Lets the participants write; gives the size of the log afterwards. */
  async write(count: number): Promise<number> {
    const request: GridRequest = { write: count };
    this.#child.send(request);
    return ((await answerOf(this.#child)) as GridStep).size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  const stop = new AbortController();
  const { signal } = stop;
  try {
    return await Promise.race([
      once(child, 'message', { signal }).then(([message]: unknown[]) => message),
      once(child, 'exit', { signal }).then(() => {
        throw new Error('the server ended');
      }),
    ]);
  } finally {
    stop.abort();
  }
}
