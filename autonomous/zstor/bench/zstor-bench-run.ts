import type { BenchOptions } from '@commongrid/system/bench';

/** One run of the benchmark: what the user asked for, and how it is measured. */
export class ZstorBenchRun {
  readonly rounds: number;
  readonly signal: AbortSignal;
  readonly note: (text: string) => void;
  readonly folder: string;
  readonly #isQuick: boolean;
  readonly #only: string;

  constructor(options: BenchOptions, folder: string) {
    this.#isQuick = options.isQuick ?? false;
    this.rounds = this.#isQuick ? 1 : options.rounds;
    this.signal = options.signal;
    this.note = options.note;
    this.folder = folder;
    this.#only = options.only ?? '';
  }

  wants(name: string): boolean {
    return name.includes(this.#only);
  }

  /** Bytes that one measurement works through. */
  sized(fullBytes: number): number {
    return this.#isQuick ? fullBytes / 10 : fullBytes;
  }

  /** MB per second of CPU time of this process, all threads, when `work` takes `bytes` each time. */
  mbPerCpuSecond(fullBytes: number, bytes: number, work: () => void): number {
    this.signal.throwIfAborted();
    const times = Math.ceil(this.sized(fullBytes) / bytes);
    // The engine compiles a kernel well only after some calls.
    for (let i = 0; i < Math.max(times / 4, Math.min(times, 100)); i++) work();
    const start = process.cpuUsage();
    for (let i = 0; i < times; i++) work();
    const { user, system } = process.cpuUsage(start);
    return (times * bytes) / (user + system);
  }
}
