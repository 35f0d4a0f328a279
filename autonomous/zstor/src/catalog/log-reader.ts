import type { Clock } from '@commongrid/base';
import { askMajority } from './majority.ts';
import type { MemberLink } from './member-link.ts';
import { corrupt } from './tlog-cipher.ts';
import type { TlogCipher } from './tlog-cipher.ts';
import { decodeRecord, recordKey } from './tlog-record.ts';
import type { TlogRecord } from './tlog-record.ts';

/** Records that are asked for at one time. */
const windowRecordsMax = 256;
/** Bytes that one member answers at one time, as far as the records before let expect. */
const windowBytes = 4 * 1024 * 1024;
/** How long a majority may take to answer. */
const readTimeoutMs = 4_000;

/** A record, and the bytes that a member has of it. */
export interface StoredRecord {
  readonly record: TlogRecord;
  readonly value: Buffer;
}

/** Reads windows of the log from a majority of each group, as large as the records allow. */
export class LogReader {
  readonly #cipher: TlogCipher;
  readonly #clock: Clock;
  #windowRecords = 16;

  constructor(cipher: TlogCipher, clock: Clock) {
    this.#cipher = cipher;
    this.#clock = clock;
  }

  /**
   * All different records that the first majority has, for each index from `from` on. A member with
   * a damaged record in the window counts as one that did not answer.
   * @throws ZSTOR_CATALOG_NO_MAJORITY
   */
  async read(
    groups: readonly (readonly MemberLink[])[],
    from: number,
    most: number = windowRecordsMax,
  ): Promise<readonly (readonly StoredRecord[])[]> {
    const count = Math.min(this.#windowRecords, most);
    const keys = Array.from({ length: count }, (_, i) => recordKey(from + i));
    const found: StoredRecord[][] = keys.map(() => []);
    const decode = (value: Buffer | undefined, i: number): StoredRecord | undefined => {
      const known = found[i]?.find((each) => value?.equals(each.value));
      if (value === undefined || known !== undefined) return known;
      const record = decodeRecord(this.#cipher, value);
      if (record.index !== from + i) throw corrupt('it is another one');
      const stored = { record, value };
      found[i]?.push(stored);
      return stored;
    };
    const answers = await askMajority(
      groups,
      async (link) => (await link.member.get(keys)).map(decode),
      { timeoutMs: readTimeoutMs, what: 'reading the log', clock: this.#clock },
    );
    const candidates = keys.map((_, i) => unique([...answers.values()].map((row) => row[i])));
    this.#resize(candidates.flat());
    return candidates;
  }

  #resize(records: readonly StoredRecord[]): void {
    const bytes = records.reduce((sum, each) => sum + each.value.length, 0);
    const mean = bytes / Math.max(1, records.length);
    const fitting = Math.floor(windowBytes / Math.max(1, mean));
    this.#windowRecords = Math.max(1, Math.min(windowRecordsMax, fitting));
  }
}

function unique(records: readonly (StoredRecord | undefined)[]): StoredRecord[] {
  return [...new Set(records)].filter((each) => each !== undefined);
}
