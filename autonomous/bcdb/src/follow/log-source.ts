import type { Entry } from '../record/entry.ts';

/** Where a follower gets a log from: a server, or another replica. Nothing that it says is trusted. */
export interface LogSource {
  /** The newest checkpoint: a C2SP note. */
  checkpoint(signal: AbortSignal): Promise<string>;

  /** Entries from `from` up to, not including, `to`, in order; may end early. */
  entries(from: number, to: number, signal: AbortSignal): AsyncIterable<readonly Entry[]>;

  /** Hashes (base64url) that show that the log of `newSize` begins with that of `oldSize`. */
  consistency(oldSize: number, newSize: number, signal: AbortSignal): Promise<readonly string[]>;

  /** Who sequenced the log: parsed JSON of a `Succession`. */
  succession(signal: AbortSignal): Promise<unknown>;

  /** Resolves when the log may have grown beyond `size`; at the latest after some seconds. */
  waitForMore(size: number, signal: AbortSignal): Promise<void>;
}
