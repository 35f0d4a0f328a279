import { isGridError } from '@commongrid/base';
import { recordTypes } from '@commongrid/model';
import type { KeyText, RecordOf, RecordUrl } from '@commongrid/model';
import type { Machine } from './machine.ts';
import type { Network } from './network.ts';
import type { Sequencer } from './sequencer.ts';

export interface OutboxOptions {
  readonly machine: Machine;
  readonly network: Network;
  readonly sequencer: Sequencer;
  readonly key: KeyText;
}

interface Letter {
  readonly url: RecordUrl;
  readonly value: unknown;
}

/** Pause after a failure, ms; it doubles up to the longest. */
const pauseFirstMs = 500;
const pauseMaxMs = 30_000;

/**
 * What a machine says to the log, in order, however long that takes. Letters are on its disk: they
 * outlive a crash. What the log refuses is dropped.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #letters: Letter[] = [];
  /** Run of the machine in which letters are being sent. */
  #sendsIn = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  say<Url extends RecordUrl>(url: Url, value: RecordOf<Url>): void {
    this.#letters.push({ url, value });
    const { machine } = this.#options;
    if (this.#sendsIn === machine.run) return;
    this.#sendsIn = machine.run;
    this.#send(pauseFirstMs);
  }

  #send(pauseMs: number): void {
    const { machine, network, sequencer, key } = this.#options;
    const [letter] = this.#letters;
    if (letter === undefined) {
      this.#sendsIn = 0;
      return;
    }
    const { url, value } = letter;
    const obj = recordTypes.get(url)?.objectOf(value) ?? '';
    const append = (): void => sequencer.append({ url, author: key, obj, op: 'put', value });
    const { run } = machine;
    network.call(machine, sequencer.machine, append).then(
      () => this.#told(run),
      (error: unknown) => {
        if (isGridError(error, 'BCDB_RULE_BROKEN')) return this.#told(run);
        machine.setTimer(pauseMs, () => this.#send(Math.min(pauseMaxMs, 2 * pauseMs)));
      },
    );
  }

  #told(run: number): void {
    if (this.#options.machine.run !== run) return;
    this.#letters.shift();
    this.#send(pauseFirstMs);
  }
}
