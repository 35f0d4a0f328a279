import { hash } from 'node:crypto';
import type { Entry } from '../record/entry.ts';
import type { LogBatch, LogEngine, LogHead, StoredEntry } from '../log/log-engine.ts';

/*
 * Entries for tests of log engines, which do not look into them. All follows from the sequence, so a
 * test can tell what a log must hold from its size alone. The root is none of a tree.
 */

/** The entry that stands at a sequence: sizes of all kinds, some without a body. */
export function entryAt(seq: number): Entry {
  const seed = hash('sha256', `entry ${seq}`, 'buffer');
  const leaf = Buffer.concat([
    Buffer.from(`{"log":"same","n":${seq}}`.padEnd(260, 'x')),
    seed,
    seed,
  ]);
  const kind = seq % 7;
  if (kind === 3) return { leaf, body: undefined };
  if (kind === 5) return { leaf, body: Buffer.alloc(0) };
  return { leaf, body: Buffer.concat([seed, Buffer.alloc((seq * 131) % 700, `body ${seq} `)]) };
}

export function headAt(size: number): LogHead {
  return { size, root: size === 0 ? hash('sha256', '', 'buffer') : rootAt(size) };
}

/** So many entries after `from`. */
export function batchAt(from: number, count: number): LogBatch {
  const entries = Array.from({ length: count }, (_, i) => entryAt(from + i));
  return { from, entries, head: headAt(from + count) };
}

export async function readAll(
  engine: LogEngine,
  from = 0,
  to = Number.MAX_SAFE_INTEGER,
): Promise<StoredEntry[]> {
  const entries: StoredEntry[] = [];
  for await (const group of engine.read(from, to)) entries.push(...group);
  return entries;
}

/** What differs between entries that were read and those that the sequence gives; empty when nothing. */
export function differences(
  found: readonly StoredEntry[],
  from: number,
  erased: ReadonlySet<number> = new Set(),
): string[] {
  const faults: string[] = [];
  for (const [i, { seq, leaf, body }] of found.entries()) {
    const expected = entryAt(from + i);
    const expectedBody = erased.has(from + i) ? undefined : expected.body;
    if (seq !== from + i) faults.push(`sequence ${seq} in the place of ${from + i}`);
    if (Buffer.compare(leaf, expected.leaf) !== 0) faults.push(`leaf of ${seq} differs`);
    if (!sameBody(body, expectedBody)) faults.push(`body of ${seq} differs`);
  }
  return faults;
}

function sameBody(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Buffer.compare(a, b) === 0;
}

function rootAt(size: number): Uint8Array {
  return hash('sha256', `root ${size}`, 'buffer');
}
