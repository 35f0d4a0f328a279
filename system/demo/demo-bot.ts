import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { askControl, isGridError, waitFor, writeFileAtomic } from '@commongrid/base';

import { root } from '../e2e/grid-process.ts';

/** For a bot to come, ms. */
const startTimeoutMs = 120_000;

interface FarmerRules {
  readonly [name: string]: unknown;
  readonly terms?: Readonly<Record<string, unknown>>;
}

/** Nobody waits for a day in which a buyer might object: what was earned is paid as soon as it is known. */
const usualTerms = { disputeHours: 0 };

/** A 3Bot of the demo in a process of its own. Its record is made before: `grid bot init`. */
export class DemoBot {
  readonly name: string;
  readonly #home: string;
  readonly #slack: number;
  #process: ChildProcess | undefined;

  /** @param home GRID_HOME that has the bot @param slack how many times longer than usual it may take to come */
  constructor(name: string, home: string, slack: number) {
    this.name = name;
    this.#home = home;
    this.#slack = slack;
  }

  get folder(): string {
    return join(this.#home, 'bots', this.name);
  }

  /** By which rules it sells; they count at once. @param rules `farmer.json`, without its schema */
  async setRules({ terms, ...rules }: FarmerRules): Promise<void> {
    const folder = join(this.folder, 'data');
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const all = { ...rules, terms: { ...usualTerms, ...terms } };
    const text = JSON.stringify({ schema: 'grid.farmer.1', ...all });
    await writeFileAtomic(join(folder, 'farmer.json'), text);
  }

  /** Starts it unless it runs, and waits until it answers. @param env variables of it besides the usual ones */
  async start(signal: AbortSignal, env: Readonly<Record<string, string>> = {}): Promise<void> {
    if (await this.answers(signal)) return;
    const { NODE_TEST_CONTEXT: _runner, ...inherited } = process.env;
    const words = ['bot', 'start', this.name, '--data', this.folder];
    this.#process = spawn(join(root, 'grid'), words, {
      env: { ...inherited, GRID_HOME: this.#home, GRID_LOG: 'error', ...env },
      stdio: 'ignore',
      detached: true,
    });
    await waitFor(() => this.answers(signal), {
      ...{ timeoutMs: startTimeoutMs * this.#slack, everyMs: 100 },
      signal,
      what: `the bot ${this.name}`,
    });
  }

  /** Calls a method of it, as its owner. @throws what the method throws */
  async call<T>(method: string, input: object, signal: AbortSignal): Promise<T> {
    const path = join(this.folder, 'control.sock');
    return (await askControl(path, 'call', { method, input }, { signal, timeoutMs: 60_000 })) as T;
  }

  /** Appends a record by its key, and waits until it is durable. */
  async write(statement: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<void> {
    const path = join(this.folder, 'control.sock');
    await askControl(path, 'write', statement, { signal, timeoutMs: 60_000 });
  }

  /** It stands still: it takes what is sent to it, and answers nothing. */
  freeze(): void {
    this.#running.kill('SIGSTOP');
  }

  thaw(): void {
    this.#running.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const over = once(child, 'exit');
    child.kill('SIGKILL');
    await over;
  }

  get #running(): ChildProcess {
    if (this.#process === undefined) throw new Error(`${this.name} does not run`);
    return this.#process;
  }

  /** Whether it answers its owner now. */
  async answers(signal: AbortSignal): Promise<boolean> {
    try {
      await this.call('bot.status', {}, signal);
      return true;
    } catch (error) {
      if (isGridError(error, 'BASE_ABORTED') || !isGridError(error)) throw error;
      return false;
    }
  }
}
