import { delay } from '@commongrid/base';
import type { Bcdb } from '../bcdb.ts';
import type { LogSource } from '../follow/log-source.ts';
import type { Entry } from '../record/entry.ts';
import { toBase64url } from '../tree/base64.ts';

/** A source that reads a database of this process; a test can make it lie. */
export class LocalSource implements LogSource {
  bcdb: Bcdb;
  /** What becomes of entries on their way. */
  twist: (entries: readonly Entry[], from: number) => readonly Entry[] = (entries) => entries;
  /** Given instead of the newest checkpoint. */
  frozen: string | undefined;

  constructor(bcdb: Bcdb) {
    this.bcdb = bcdb;
  }

  async checkpoint(): Promise<string> {
    return this.frozen ?? this.bcdb.checkpoint();
  }

  async *entries(from: number, to: number): AsyncGenerator<readonly Entry[]> {
    for await (const group of this.bcdb.read(from, to)) {
      yield this.twist(group, group[0]?.seq ?? from);
    }
  }

  async consistency(oldSize: number, newSize: number): Promise<readonly string[]> {
    return this.bcdb.consistencyProof(oldSize, newSize).map(toBase64url);
  }

  async succession(): Promise<unknown> {
    return JSON.parse(JSON.stringify(this.bcdb.succession));
  }

  async waitForMore(size: number, signal: AbortSignal): Promise<void> {
    for (let tries = 0; tries < 20 && this.bcdb.head.size <= size; tries++) {
      await delay(5, { signal });
    }
  }
}
