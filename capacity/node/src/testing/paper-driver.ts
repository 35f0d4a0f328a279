import { delay, GridError } from '@commongrid/base';
import type { Assignment } from '../assignment.ts';
import type { Driver, DriverContext, Observation, Remains } from '../driver.ts';

/** What a workload of a `PaperMachine` is: data outlives everything but its deletion. */
interface Paper {
  state: Observation;
  hasData: boolean;
}

/**
 * A machine on paper: keeps what a real one would, as long as the test lives. Drivers may come and
 * go over it, as agents do over a machine.
 */
export class PaperMachine {
  readonly all = new Map<string, Paper>();
  /** Calls in their order, `start KEY`. */
  readonly calls: string[] = [];
  /** Calls that are under way at this moment, by workload: never more than one. */
  readonly busy = new Map<string, string>();
  overlaps = 0;

  of(key: string): Paper {
    let paper = this.all.get(key);
    if (paper === undefined)
      this.all.set(key, (paper = { state: { state: 'absent' }, hasData: false }));
    return paper;
  }
}

/** What a test makes of a call: fails it, delays it, or leaves it half done. */
type Mischief = (call: string, key: string, signal: AbortSignal) => Promise<void> | void;

export class PaperDriver implements Driver {
  readonly machine: PaperMachine;
  mischief: Mischief = () => {};
  readonly #listeners = new Set<(key: string) => void>();

  constructor(machine: PaperMachine) {
    this.machine = machine;
  }

  prepare({ key }: Assignment, { signal }: DriverContext): Promise<void> {
    return this.#call('prepare', key, signal, (paper) => {
      paper.hasData = true;
      if (paper.state.state === 'absent') paper.state = { state: 'prepared' };
    });
  }

  start({ key }: Assignment, { signal }: DriverContext): Promise<void> {
    return this.#call('start', key, signal, (paper) => {
      if (paper.state.state === 'absent')
        throw new GridError('PAPER_ABSENT', 'nothing is prepared');
      paper.state = { state: 'running', sinceMs: Date.now() };
    });
  }

  async attend(): Promise<void> {}

  async observe(key: string): Promise<Observation> {
    return this.machine.of(key).state;
  }

  probe({ key }: Assignment, signal: AbortSignal): Promise<void> {
    return this.#call('probe', key, signal, () => {});
  }

  stop({ key }: Assignment, { signal }: DriverContext): Promise<void> {
    return this.#call('stop', key, signal, (paper) => {
      if (paper.state.state === 'running') paper.state = { state: 'prepared' };
    });
  }

  release(key: string, { signal }: DriverContext): Promise<void> {
    return this.#call('release', key, signal, (paper) => {
      paper.state = { state: 'absent' };
    });
  }

  destroy(key: string, { signal }: DriverContext): Promise<void> {
    return this.#call('destroy', key, signal, () => this.machine.all.delete(key));
  }

  async list(): Promise<readonly Remains[]> {
    return [...this.machine.all].flatMap(([key, { state, hasData }]) =>
      hasData || state.state !== 'absent' ? [{ key, dataBytes: hasData ? 1 : 0 }] : [],
    );
  }

  watch(listener: (key: string) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** What runs ends by itself. */
  end(key: string, exitCode: number, isOutOfMemory = false): void {
    this.machine.of(key).state = { state: 'ended', atMs: Date.now(), exitCode, isOutOfMemory };
    for (const listener of this.#listeners) listener(key);
  }

  async #call(
    name: string,
    key: string,
    signal: AbortSignal,
    change: (paper: Paper) => void,
  ): Promise<void> {
    const { machine } = this;
    if (machine.busy.has(key)) machine.overlaps++;
    machine.busy.set(key, name);
    try {
      machine.calls.push(`${name} ${key}`);
      await delay(0);
      await this.mischief(name, key, signal);
      change(machine.of(key));
    } finally {
      machine.busy.delete(key);
    }
  }
}
