import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../../errors.ts';
import type { StoredEntry } from '../log-engine.ts';
import type { LogProblem } from '../log-problem.ts';
import type { PostgresSession } from './session.ts';
import { leafCrc, selectPage } from './statements.ts';
import type { EntryRow } from './statements.ts';

/** Most entries that are fetched with one statement. */
const pageEntriesMax = 512;
/** Most bytes of one such page, unless a single entry has more. */
const pageBytesMax = 1024 * 1024;

/** An entry, or what is wrong where it should be. */
export interface CheckedEntry {
  readonly entry: StoredEntry;
  readonly isSound: boolean;
}

/** The entries from `from` on that fit into one page, up to `to`; some may be missing. */
async function fetchPage(
  session: PostgresSession,
  from: number,
  to: number,
): Promise<readonly CheckedEntry[]> {
  const limits = { entries: pageEntriesMax, bytes: pageBytesMax };
  const { rows } = await session.query<EntryRow>(selectPage(from, to, limits));
  return rows.map(({ seq, leaf, body, crc }) => ({
    entry: { seq: Number(seq), leaf, body: body ?? undefined },
    isSound: Number(crc) === leafCrc(Number(seq), leaf),
  }));
}

/**
 * As fetchPage, but every entry must be there and as it was written.
 * @throws BCDB_LOG_CORRUPT
 */
export async function fetchSoundPage(
  session: PostgresSession,
  from: number,
  to: number,
): Promise<readonly StoredEntry[]> {
  const page = await fetchPage(session, from, to);
  for (const [i, { entry, isSound }] of page.entries()) {
    if (!isSound || entry.seq !== from + i) throw corruptRow(from + i);
  }
  if (page.length === 0 && from < to) throw corruptRow(from);
  return page.map(({ entry }) => entry);
}

/** The error for an entry that was acknowledged and is not there any more as it was. */
export function corruptRow(seq: number): GridError<BcdbErrorCode> {
  return new GridError('BCDB_LOG_CORRUPT', `record ${seq} is missing or damaged in bcdb_entry`, {
    hint: 'restore the log from a replica or a backup: grid bcdb restore',
    details: { seq, file: 'bcdb_entry' },
  });
}

/**
 * Reads all entries and tells what is damaged or missing, by height.
 * @param run runs a statement on a connection
 */
export async function* problemsOf(
  run: <T>(work: (session: PostgresSession) => Promise<T>) => Promise<T>,
  size: number,
): AsyncGenerator<LogProblem> {
  for (let seq = 0; seq < size;) {
    const page = await run((session) => fetchPage(session, seq, size));
    for (const { entry, isSound } of page) {
      if (entry.seq > seq) yield problem(seq, entry.seq, 'entries are missing');
      if (!isSound) yield problem(entry.seq, entry.seq + 1, 'the entry is damaged');
      seq = entry.seq + 1;
    }
    if (page.length > 0) continue;
    yield problem(seq, size, 'entries are missing');
    return;
  }
}

function problem(seq: number, end: number, text: string): LogProblem {
  return { seq, end, file: 'bcdb_entry', offset: 0, text };
}
