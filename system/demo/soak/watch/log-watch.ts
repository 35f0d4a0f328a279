import { LogVerifier } from '@commongrid/bcdb';
import type { LogSource } from '@commongrid/bcdb';
import { feedNamespaces, GridFold } from '@commongrid/model';
import type { GridRecord } from '@commongrid/model';

import { BrokenPromise } from '../../../simulation/witness.ts';

type Genesis = Parameters<typeof LogVerifier.open>[0];
type Effect = LogVerifier['effects'][number];

/** Where the log is read: a client that remembers all heads which it ever saw, and whoever gives entries. */
export interface LogDoor {
  /** The newest head. @throws when it contradicts one that was seen before */
  checkpoint(options: {
    readonly signal: AbortSignal;
  }): Promise<{ readonly size: number; readonly root: string }>;
  readonly entries: LogSource['entries'];
}

export interface LogWatchOptions {
  readonly genesis: Genesis;
  /** Hash of the genesis, base64url, as the bots of the town trust it. */
  readonly log: string;
  readonly door: LogDoor;
  readonly signal: AbortSignal;
}

/**
 * Reads all of a log, one part after the other, and believes nothing of it:
 *
 * 1. The newest head has to go on from all that were seen before.
 * 2. Each entry that is new is verified: form, signature, and the rules, which are run again.
 * 3. The root over all that was verified has to be the one of the head.
 * 4. What records come to is worked out a second time, from their effects alone.
 */
export class LogWatch implements AsyncDisposable {
  readonly fold: GridFold;
  readonly #options: LogWatchOptions;
  readonly #verifier: LogVerifier;

  private constructor(options: LogWatchOptions, verifier: LogVerifier) {
    const { log, genesis } = options;
    this.#options = options;
    this.#verifier = verifier;
    this.fold = new GridFold({ log, releaseKeys: genesis.releaseKeys });
  }

  /** @throws BrokenPromise when the genesis is that of another log */
  static async open(options: LogWatchOptions): Promise<LogWatch> {
    const verifier = await LogVerifier.open(options.genesis);
    const watch = new LogWatch(options, verifier);
    if (verifier.log === options.log) return watch;
    await verifier.close();
    throw new BrokenPromise(`log: the database has ${verifier.log}, and bots trust ${options.log}`);
  }

  /** Records that were verified. */
  get size(): number {
    return this.#verifier.head.size;
  }

  /**
   * Verifies what is new up to the newest head. After an error of the database it goes on where it was.
   * @throws BrokenPromise naming the first record that is wrong; and what the door throws
   */
  async follow(): Promise<void> {
    const { door, signal } = this.#options;
    const head = await door.checkpoint({ signal });
    while (this.size < head.size) {
      const before = this.size;
      for await (const group of door.entries(before, head.size, signal)) {
        for (const entry of group) this.#take(entry);
      }
      if (this.size === before) {
        throw new BrokenPromise(`log: record ${before} of ${head.size} is not shown`);
      }
    }
    const { size, root } = this.#verifier.head;
    if (size > head.size) {
      throw new BrokenPromise(`log: it had ${size} records, and has ${head.size}`);
    }
    const rootText = root.toBase64({ alphabet: 'base64url', omitPadding: true });
    if (rootText !== head.root) {
      throw new BrokenPromise(
        `log: ${size} records come to ${rootText}, and ${head.root} is signed`,
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#verifier.close();
  }

  #take(entry: Parameters<LogVerifier['next']>[0]): void {
    const fault = this.#verifier.next(entry);
    if (fault !== undefined) {
      throw new BrokenPromise(`log: record ${fault.seq}: ${fault.code}: ${fault.message}`);
    }
    const effects = this.#verifier.effects.filter(({ ns }) => feedNamespaces.has(ns));
    this.fold.add(effects.map(recordOf));
    const [refused] = this.fold.refusals;
    if (refused === undefined) return;
    const [seq, code] = refused;
    throw new BrokenPromise(`log: record ${seq} was accepted, and its effect alone is ${code}`);
  }
}

function recordOf(effect: Effect): GridRecord {
  const { seq, at, author, url, obj, kind: op } = effect;
  const payload = effect.kind === 'put' ? effect.payload : undefined;
  const value: unknown = payload && JSON.parse(new TextDecoder().decode(payload));
  return { seq, at, author, url, obj, op, value };
}
