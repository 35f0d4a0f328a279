import { throwIfAborted } from '@commongrid/base';
import type { Database } from '../../database.ts';
import type { StoredEntry } from '../../log/log-engine.ts';

/** Entries of one reply. */
export const streamEntriesMax = 1000;

/** Bytes of leaves and bodies of one reply, above which it takes no further entry. */
export const streamBytesMax = 8 << 20;

/** Records that are read at one time on the way back. */
const windowRecords = 512;

/** Namespaces whose records have been counted; beyond it all are forgotten. */
const countedMax = 1000;

/** The part of a stream that is asked for. */
export interface StreamRange {
  /** The records of this namespace; all of the log when undefined. */
  readonly ns: string | undefined;
  readonly from: number;
  /** Not included. */
  readonly to: number;
  readonly count: number;
  readonly signal: AbortSignal;
}

/** The log as streams: all of it, and the records of each namespace. */
export class LogStream {
  readonly #bcdb: Database;
  /** How many records namespaces have up to a size of the log. */
  readonly #counted = new Map<string, { readonly size: number; readonly count: number }>();

  constructor(bcdb: Database) {
    this.#bcdb = bcdb;
  }

  get size(): number {
    return this.#bcdb.head.size;
  }

  /** Entries in order, up to the limits of a reply. */
  async forward({ ns, from, to, count, signal }: StreamRange): Promise<readonly StoredEntry[]> {
    const page = new Page(count);
    const end = Math.min(to, this.size);
    if (from >= end || count < 1) return [];
    for await (const group of this.#bcdb.read(from, end)) {
      throwIfAborted(signal);
      for (const entry of group) {
        if (ns !== undefined && namespaceOf(entry) !== ns) continue;
        if (!page.add(entry)) return page.entries;
      }
    }
    return page.entries;
  }

  /** Entries from the last to the first, up to the limits of a reply. */
  async backward({ ns, from, to, count, signal }: StreamRange): Promise<readonly StoredEntry[]> {
    const page = new Page(count);
    let end = Math.min(to, this.size);
    while (end > from && count > 0) {
      const begin = Math.max(from, end - windowRecords);
      const window: StoredEntry[] = [];
      for await (const group of this.#bcdb.read(begin, end)) window.push(...group);
      throwIfAborted(signal);
      for (const entry of window.toReversed()) {
        if (ns !== undefined && namespaceOf(entry) !== ns) continue;
        if (!page.add(entry)) return page.entries;
      }
      end = begin;
    }
    return page.entries;
  }

  /** Number of entries. The first time it reads the log, later what was appended since. */
  async length(ns: string | undefined, signal: AbortSignal): Promise<number> {
    const end = this.size;
    if (ns === undefined) return end;
    let { size, count } = this.#counted.get(ns) ?? { size: 0, count: 0 };
    if (size >= end) return count;
    for await (const group of this.#bcdb.read(size, end)) {
      throwIfAborted(signal);
      for (const entry of group) if (namespaceOf(entry) === ns) count++;
    }
    size = end;
    if (this.#counted.size >= countedMax) this.#counted.clear();
    this.#counted.set(ns, { size, count });
    return count;
  }

  /** One record; undefined when the log has no such sequence. */
  async entry(seq: number): Promise<StoredEntry | undefined> {
    if (seq >= this.size) return undefined;
    for await (const [entry] of this.#bcdb.read(seq, seq + 1)) return entry;
    return undefined;
  }
}

/** Bytes of leaves and bodies. */
export function bytesOf(entries: readonly StoredEntry[]): number {
  return entries.reduce((sum, { leaf, body }) => sum + leaf.length + (body?.length ?? 0), 0);
}

/** Entries of one reply. */
class Page {
  readonly entries: StoredEntry[] = [];
  readonly #count: number;
  #bytes = 0;

  constructor(count: number) {
    this.#count = count;
  }

  /** Takes an entry in; false when it was the last one. */
  add(entry: StoredEntry): boolean {
    this.entries.push(entry);
    this.#bytes += bytesOf([entry]);
    return this.entries.length < this.#count && this.#bytes < streamBytesMax;
  }
}

/** Namespace of a record. The member stands before all that could hold the same characters. */
function namespaceOf({ leaf }: StoredEntry): string {
  const bytes = Buffer.from(leaf.buffer, leaf.byteOffset, leaf.length);
  const start = bytes.indexOf(member) + member.length;
  return bytes.toString('latin1', start, bytes.indexOf(quote, start));
}

const member = Buffer.from('"ns":"');
const quote = 0x22;
