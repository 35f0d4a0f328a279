import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { firstLineOf } from '@commongrid/base/testing';
import type { Cable } from '@commongrid/base/testing';

/** A program of Node at one end of a cable. */
export class StartedProcess implements AsyncDisposable {
  /** What it said once it was ready. */
  readonly line: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, line: string) {
    this.#child = child;
    this.line = line;
  }

  static async start(
    cable: Cable,
    end: 'left' | 'right',
    script: string,
    plan: object,
  ): Promise<StartedProcess> {
    const path = new URL(`../processes/${script}`, import.meta.url).pathname;
    const words = [...cable.at(end), process.execPath, path, JSON.stringify(plan)];
    const child = spawn('env', words, { stdio: ['pipe', 'pipe', 'inherit'] });
    return new StartedProcess(child, await firstLineOf(child));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** As when the machine's power goes. */
  async kill(): Promise<void> {
    const ended = this.#child.exitCode ?? this.#child.signalCode;
    if (ended !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
