import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { writeFileAtomic } from '@commongrid/base';
import type { Logger, ProcessIdentity } from '@commongrid/base';

import type { GridHome } from '../home.ts';
import type { PortName } from '../ports.ts';

/**
 * Where a service is in its life:
 * stopped -> starting -> running -> stopping -> stopped, by order; running -> waiting -> starting
 * after a crash; failed after too many of them.
 */
export type ServicePhase = 'stopped' | 'starting' | 'running' | 'waiting' | 'failed' | 'stopping';

export interface ServiceState {
  readonly phase: ServicePhase;
  /** Null without a process. */
  readonly process: ProcessIdentity | null;
  /** `host:port` of its main port. */
  readonly address: string;
  /** `host:port` of each of its ports, by name. */
  readonly addresses: Readonly<Partial<Record<PortName, string>>>;
  readonly dataDir: string;
  readonly log: string;
  /** Restarts after crashes since it was last started by order. */
  readonly restartCount: number;
}

/** What the supervisor knows. It answers with this, and keeps it in run/state.json. */
export interface GridState {
  readonly schema: 'grid.state.1';
  readonly home: string;
  /** As given to `up`; null for the usual ports. */
  readonly portBase: number | null;
  readonly supervisor: ProcessIdentity;
  readonly services: Readonly<Record<string, ServiceState>>;
}

/** Keeps run/state.json like the state that `describe` gives, change by change. */
export class StateKeeper implements AsyncDisposable {
  readonly #home: GridHome;
  readonly #describe: () => GridState;
  readonly #logger: Logger;
  #saving: Promise<void> | undefined;
  #isStale = false;

  constructor(home: GridHome, describe: () => GridState, logger: Logger) {
    this.#home = home;
    this.#describe = describe;
    this.#logger = logger;
  }

  /** Saves soon. Changes that come while a save is under way share the next one. */
  save(): void {
    this.#isStale = true;
    this.#saving ??= this.#saveAll().finally(() => {
      this.#saving = undefined;
    });
  }

  /** Waits for the last save. */
  async close(): Promise<void> {
    await this.#saving;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #saveAll(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      try {
        const text = `${JSON.stringify(this.#describe(), undefined, 2)}\n`;
        await writeFileAtomic(stateFile(this.#home), text);
      } catch (error) {
        // A full disk must not stop services that still run.
        this.#logger.error({ err: error }, 'cannot save the state of the grid');
      }
    }
  }
}

/** The last state that was saved; undefined when there is none that can be read. */
export async function loadState(home: GridHome): Promise<GridState | undefined> {
  try {
    const state = JSON.parse(await readFile(stateFile(home), 'utf8')) as GridState;
    return state.schema === 'grid.state.1' ? state : undefined;
  } catch {
    // It is only a hint about processes that a dead supervisor left.
    return undefined;
  }
}

function stateFile(home: GridHome): string {
  return join(home.run, 'state.json');
}
