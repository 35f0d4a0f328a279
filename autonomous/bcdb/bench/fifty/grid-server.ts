import { fileURLToPath } from 'node:url';
import type { Genesis } from '../../src/record/genesis.ts';
import { BenchChild } from '../bench-child.ts';

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
  readonly #child: BenchChild;

  private constructor(child: BenchChild) {
    this.facts = child.hello as GridFacts;
    this.#child = child;
  }

  static async start(options: GridServerOptions): Promise<GridServer> {
    const { dataDir, ownerToken, participants } = options;
    const words = [dataDir, ownerToken, String(participants)];
    return new GridServer(await BenchChild.start(mainFile, words));
  }

  /** Lets the participants write; gives the size of the log afterwards. */
  async write(count: number): Promise<number> {
    const request: GridRequest = { write: count };
    return ((await this.#child.ask({ ...request })) as GridStep).size;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]();
  }
}
