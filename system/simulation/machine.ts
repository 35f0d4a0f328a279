import type { Clock, Timer } from '@commongrid/base';
import type { VirtualTime } from './virtual-time.ts';

/** How the clocks of a machine are wrong. */
export interface ClockFault {
  /** Of the wall clock against true time, ms. */
  readonly skewMs: number;
  /** Seconds that its clocks count in a true second. */
  readonly rate: number;
}

/**
 * A machine of the simulated world: its clocks, and whether it is on. Timers end with the run in which
 * they were set.
 */
export class Machine implements Clock {
  readonly name: string;
  readonly #time: VirtualTime;
  #fault: ClockFault;
  /** True time from which the rate counts, and what the clocks showed then. */
  #sinceMs: number;
  #monotonicMs = 0;
  #wallMs: number;
  #run = 1;
  #isOn = true;

  constructor(name: string, time: VirtualTime, fault: ClockFault = soundClock) {
    this.name = name;
    this.#time = time;
    this.#fault = fault;
    this.#sinceMs = time.nowMs;
    this.#wallMs = time.nowMs + fault.skewMs;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** Grows with each start. */
  get run(): number {
    return this.#run;
  }

  nowMs(): number {
    return Math.floor(this.#wallMs + this.#elapsedMs());
  }

  monotonicMs(): number {
    return this.#monotonicMs + this.#elapsedMs();
  }

  setTimer(ms: number, fn: () => void): Timer {
    const run = this.#run;
    // Never early by what floating point leaves out.
    const trueMs = Math.max(0, ms) / this.#fault.rate + leastMs;
    const due = (): void => {
      if (this.#isOn && this.#run === run) fn();
    };
    return this.#time.after(trueMs, due, this.name);
  }

  /** Somebody sets its clocks: the wall clock leaps, both go at another rate from now on. */
  setClock(fault: ClockFault): void {
    this.#monotonicMs = this.monotonicMs();
    this.#sinceMs = this.#time.nowMs;
    this.#wallMs = this.#time.nowMs + fault.skewMs;
    this.#fault = fault;
  }

  turnOff(): void {
    this.#isOn = false;
    this.#run++;
  }

  turnOn(): void {
    this.#isOn = true;
  }

  #elapsedMs(): number {
    return (this.#time.nowMs - this.#sinceMs) * this.#fault.rate;
  }
}

/** Timers are late by so much, ms. */
const leastMs = 0.001;

export const soundClock: ClockFault = { skewMs: 0, rate: 1 };
