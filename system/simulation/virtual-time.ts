import { setImmediate } from 'node:timers/promises';
import type { Timer } from '@commongrid/base';

interface Due {
  readonly dueMs: number;
  /** Of what falls due together, what was asked for first comes first. */
  readonly order: number;
  fn: (() => void) | undefined;
  /** Whose work it is. */
  readonly owner: string;
}

/**
 * True time of a simulated world, ms since 1970, and what happens in it. Nothing passes but by what was
 * asked for here, in one order: the same world runs the same way each time.
 */
export class VirtualTime {
  #nowMs: number;
  #order = 0;
  #count = 0;
  /** Binary heap: the first to fall due is the first. */
  readonly #heap: Due[] = [];
  /** Real processor time of what each owner did, µs; while it is counted. */
  readonly #costs = new Map<string, number>();
  #isCounting = false;

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** How much has happened so far. */
  get eventCount(): number {
    return this.#count;
  }

  /** Counts from now on what real processor time the work of each owner takes. */
  countCosts(): void {
    this.#isCounting = true;
    this.#costs.clear();
  }

  /** Processor time of an owner since `countCosts`, s. */
  costSecondsOf(owner: string): number {
    return (this.#costs.get(owner) ?? 0) / 1e6;
  }

  /** Calls `fn` once, after so many ms of true time. @param owner whose work it is */
  after(ms: number, fn: () => void, owner = ''): Timer {
    const dueMs = this.#nowMs + Math.max(0, ms);
    const due: Due = { dueMs, order: this.#order++, fn, owner };
    this.#push(due);
    return { cancel: () => void (due.fn = undefined) };
  }

  /**
   * Lets true time pass up to a moment. Promises that wait for no input or output settle between two
   * events. @param look called after each event
   */
  async runUntil(endMs: number, look: () => void = () => {}): Promise<void> {
    await setImmediate();
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (first.dueMs > endMs) break;
      this.#pop();
      if (first.fn === undefined) continue;
      this.#nowMs = first.dueMs;
      this.#count++;
      const before = this.#isCounting ? processorMicros() : 0;
      first.fn();
      await setImmediate();
      if (this.#isCounting) {
        const known = this.#costs.get(first.owner) ?? 0;
        this.#costs.set(first.owner, known + processorMicros() - before);
      }
      look();
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  #push(due: Due): void {
    const heap = this.#heap;
    heap.push(due);
    for (let place = heap.length - 1; place > 0;) {
      const above = (place - 1) >> 1;
      if (!this.#swapIfBefore(place, above)) break;
      place = above;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let place = 0; ;) {
      const left = 2 * place + 1;
      const right = left + 1;
      const [a, b] = [heap[left], heap[right]];
      if (a === undefined) return;
      const below = b !== undefined && isBefore(b, a) ? right : left;
      if (!this.#swapIfBefore(below, place)) return;
      place = below;
    }
  }

  /** @returns whether they were in the wrong order */
  #swapIfBefore(below: number, above: number): boolean {
    const [a, b] = [this.#heap[below], this.#heap[above]];
    if (a === undefined || b === undefined || !isBefore(a, b)) return false;
    this.#heap[below] = b;
    this.#heap[above] = a;
    return true;
  }
}

function processorMicros(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

function isBefore(a: Due, b: Due): boolean {
  return a.dueMs === b.dueMs ? a.order < b.order : a.dueMs < b.dueMs;
}
