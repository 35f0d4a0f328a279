import { mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { LayeredStore } from '../state/layered-store.ts';
import { Ledger } from './ledger.ts';
import type { LedgerParts } from './ledger.ts';

export interface VerifyStateOptions extends Omit<LedgerParts, 'store'> {
  /** The file of the state, brought up to the head of the log. */
  readonly file: string;
}

/**
 * Compares the kept state, row by row, with one that is folded from the log on the spot: finds what
 * somebody changed in a sound way. Undefined when they are equal, or the first row that differs.
 */
export async function verifyState(options: VerifyStateOptions): Promise<string | undefined> {
  const { file, engine, hashes, genesis } = options;
  const scratch = await mkdtemp(join(dirname(file), 'verify-'));
  try {
    const expected = join(scratch, 'state.sqlite');
    using store = LayeredStore.open(expected);
    const ledger = Ledger.open({ engine, hashes, store, genesis });
    await ledger.catchUp();
    await ledger.close();
    return difference(file, expected);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function difference(file: string, expected: string): string | undefined {
  using db = new DatabaseSync(file, { readOnly: true });
  db.prepare('ATTACH ? AS expected').run(expected);
  for (const [one, other, what] of [
    ['main', 'expected', 'has another value, or should not be there'],
    ['expected', 'main', 'is missing'],
  ] as const) {
    const sql = `SELECT key FROM (SELECT * FROM ${one}.entry EXCEPT SELECT * FROM ${other}.entry)
      ORDER BY key LIMIT 1`;
    const key = db.prepare(sql).get()?.['key'];
    if (key !== undefined) return `${String(key)} ${what}`;
  }
  return undefined;
}
