import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, identityOf } from '@commongrid/base';

import { growthOf, growthRule } from './growth.ts';
import type { Growth, GrowthRule, Sample } from './growth.ts';
import type { ProcessFindings } from './watch-types.ts';

/** Samples of one process that are kept; of a longer life every second one is left out, again and again. */
const samplesMax = 4_096;

/** One process from its begin to its end. */
interface Life {
  readonly key: string;
  samples: Sample[];
  /** Each so manieth look is kept. */
  every: number;
  looks: number;
}

export interface ProcessWatchOptions {
  /** What a process is called; undefined for one that nobody watches. @param words its command line */
  readonly nameOf: (words: readonly string[], pid: number) => string | undefined;
  /** ms; never goes back. */
  readonly nowMs: () => number;
  readonly rule?: GrowthRule;
}

/** Memory and open files of processes by name; one that takes the place of another begins anew. */
export class ProcessWatch {
  readonly #options: ProcessWatchOptions;
  readonly #lives = new Map<string, Life[]>();
  readonly #largest = new Map<string, number>();

  constructor(options: ProcessWatchOptions) {
    this.#options = options;
  }

  /** Looks at all processes of this machine once. */
  async look(): Promise<void> {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
    await Promise.all(pids.map((pid) => this.#lookAt(pid)));
  }

  findings(): readonly ProcessFindings[] {
    const { rule = growthRule } = this.#options;
    const names = [...this.#lives.keys()].toSorted();
    return names.map((name): ProcessFindings => {
      const lives = this.#lives.get(name) ?? [];
      const growths = lives.flatMap(({ samples }) => growthOf(samples, rule) ?? []);
      const growth = worstOf(growths);
      return {
        ...{ name, lives: lives.length, largestBytes: this.#largest.get(name) ?? 0 },
        ...(growth === undefined ? {} : { growth: figuresOf(growth) }),
      };
    });
  }

  async #lookAt(pid: number): Promise<void> {
    const words = (await read(pid, 'cmdline')).split('\0').slice(0, -1);
    const name = this.#options.nameOf(words, pid);
    if (name === undefined) return;
    const atMs = this.#options.nowMs();
    const [identity, status, files] = await Promise.all([
      identityOf(pid),
      read(pid, 'status'),
      readdir(join('/proc', String(pid), 'fd')).catch(noneIfGone),
    ]);
    const ownBytes = bytesIn(status, 'RssAnon');
    // One that ended meanwhile has no memory.
    if (identity === undefined || ownBytes === undefined) return;
    const largest = Math.max(this.#largest.get(name) ?? 0, bytesIn(status, 'VmRSS') ?? 0);
    this.#largest.set(name, largest);
    this.#keep(name, `${pid} ${identity.startTicks}`, { atMs, ownBytes, files: files.length });
  }

  #keep(name: string, key: string, sample: Sample): void {
    const lives = this.#lives.get(name) ?? [];
    this.#lives.set(name, lives);
    let life = lives.find((one) => one.key === key);
    if (life === undefined) lives.push((life = { key, samples: [], every: 1, looks: 0 }));
    if (life.looks++ % life.every === 0) life.samples.push(sample);
    if (life.samples.length < samplesMax) return;
    life.samples = life.samples.filter((_, at) => at % 2 === 0);
    life.every *= 2;
  }
}

/** One that leaks, if any does; else that which was judged for longest. */
function worstOf(growths: readonly Growth[]): Growth | undefined {
  const longest = growths.toSorted((a, b) => b.overMs - a.overMs);
  return longest.find(({ isFlat }) => !isFlat) ?? longest[0];
}

function figuresOf({ overMs, ...rest }: Growth): NonNullable<ProcessFindings['growth']> {
  return { ...rest, overSeconds: overMs / 1_000 };
}

/** A line of /proc/PID/status that counts memory, bytes; undefined where there is none. */
function bytesIn(status: string, field: string): number | undefined {
  const [, kib] = new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(status) ?? [];
  return kib === undefined ? undefined : Number(kib) * 1_024;
}

function read(pid: number, file: string): Promise<string> {
  return readFile(join('/proc', String(pid), file), 'latin1').catch((error: unknown) => {
    noneIfGone(error);
    return '';
  });
}

/** @throws unless it says that a process ended */
function noneIfGone(error: unknown): never[] {
  if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ESRCH') return [];
  throw error;
}
