import { join } from 'node:path';
import type { BenchOptions } from '@commongrid/system/bench';

/** One run of the benchmark: what the user asked for, and where it happens. */
export class BcdbBenchRun {
  readonly rounds: number;
  readonly isQuick: boolean;
  readonly signal: AbortSignal;
  readonly note: (text: string) => void;
  readonly #only: string;
  readonly #folder: string;

  constructor(options: BenchOptions, folder: string) {
    this.isQuick = options.isQuick ?? false;
    this.rounds = this.isQuick ? 1 : options.rounds;
    this.signal = options.signal;
    this.note = options.note;
    this.#only = options.only ?? '';
    this.#folder = folder;
  }

  /** Whether one of these rows was asked for. */
  wants(...names: readonly string[]): boolean {
    return names.some((name) => name.includes(this.#only));
  }

  /** The full size, or a part of it in a quick run. */
  sized(full: number): number {
    return this.isQuick ? full / 10 : full;
  }

  /** A folder of its own for a part. */
  folder(name: string): string {
    return join(this.#folder, name);
  }
}
