import { LatencyHistogram } from '@commongrid/base';
import type { Command } from './command.ts';

/** Counters of all commands; durations only when somebody publishes them. */
export class CommandStats {
  readonly calls: Float64Array;
  readonly failures: Float64Array;
  /** By position in the command table, made at first use. */
  readonly latency: (LatencyHistogram | undefined)[] = [];
  executed = 0;
  failed = 0;
  unauthorized = 0;
  unknown = 0;
  /** Records that could not be read, and failures of the log. */
  readFailures = 0;
  writeFailures = 0;
  lastFailureMs = 0;
  readonly #isTimed: boolean;

  constructor(commandCount: number, isTimed: boolean) {
    this.calls = new Float64Array(commandCount);
    this.failures = new Float64Array(commandCount);
    this.#isTimed = isTimed;
  }

  /** Returns when it began, for `end`. */
  begin(command: Command): number {
    this.executed++;
    this.calls[command.index] = (this.calls[command.index] ?? 0) + 1;
    return this.#isTimed ? performance.now() : 0;
  }

  end(command: Command, started: number, hasFailed: boolean): void {
    if (hasFailed) {
      this.failed++;
      this.failures[command.index] = (this.failures[command.index] ?? 0) + 1;
    }
    if (!this.#isTimed) return;
    const histogram = (this.latency[command.index] ??= new LatencyHistogram());
    histogram.record((performance.now() - started) * 1000);
  }
}
