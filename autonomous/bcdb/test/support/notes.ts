import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '@commongrid/base';
import { canonicalBytes } from '@commongrid/crypto';
import type { JsonValue, SigningKey } from '@commongrid/crypto';
import { Bcdb } from '../../src/bcdb.ts';
import type { BcdbOptions } from '../../src/config.ts';
import { Follower } from '../../src/follow/follower.ts';
import { verifyExport } from '../../src/offline/verify-export.ts';
import type { VerifyReport } from '../../src/offline/verify-export.ts';
import { signRecord } from '../../src/record/author.ts';
import type { Statement } from '../../src/record/author.ts';
import type { Entry } from '../../src/record/entry.ts';
import { LocalSource } from '../../src/testing/local-source.ts';

/** A type for tests: words, a unique code, a reference to another note. */
export const noteUrl = 'net.example.note.1';

export const noteSchema = {
  type: 'object',
  properties: {
    text: { type: 'string', maxLength: 2000, 'x-bcdb': { fts: true } },
    code: { type: 'string', maxLength: 40, 'x-bcdb': { unique: true } },
    about: { type: 'string', maxLength: 128, 'x-bcdb': { ref: noteUrl } },
    rank: { type: 'integer', minimum: 0, maximum: 1000, 'x-bcdb': { index: true } },
  },
};

/** A database with the namespace `notes` and its type. */
export async function openNotes(options: BcdbOptions): Promise<Bcdb> {
  const bcdb = await Bcdb.open(options);
  if (bcdb.hasNamespace('notes')) return bcdb;
  await bcdb.createNamespace('notes');
  await bcdb.defineSchema('notes', noteUrl, noteSchema);
  return bcdb;
}

export async function writeNotes(bcdb: Bcdb, count: number, prefix = 'n'): Promise<void> {
  const put = { ns: 'notes', op: 'put', url: noteUrl } as const;
  const writes = Array.from({ length: count }, (_, index) =>
    bcdb.write({ ...put, obj: `${prefix}${index}`, value: { text: `text ${index}` } }),
  );
  await Promise.all(writes);
}

/** A record about a note, signed by anybody. */
export function signNote(
  bcdb: Bcdb,
  key: SigningKey,
  statement: Partial<Statement> & { readonly obj: string; readonly value?: JsonValue },
  n = bcdb.lastN(key.publicKey.text) + 1,
): Entry {
  const { value, ...rest } = statement;
  const payload = value === undefined ? undefined : canonicalBytes(value);
  const schema = payload === undefined ? undefined : bcdb.schemaOf('notes', noteUrl);
  const said = { ns: 'notes', op: 'put', url: noteUrl, schema, payload, ...rest } as const;
  return signRecord(key, said, { log: bcdb.log, n, t: 0 });
}

export function follow(
  dataDir: string,
  bcdb: Bcdb,
  source = new LocalSource(bcdb),
): Promise<Follower> {
  return Follower.open({ dataDir, genesis: bcdb.genesis, log: bcdb.log, source });
}

/** Waits until a replica has the whole log, and holds it to the same state. */
export async function sameState({ ledger, replica }: Follower, bcdb: Bcdb): Promise<void> {
  // The state is ahead of the log while a batch, a tick at least, is on its way to the disk.
  const isSame = (): boolean =>
    ledger.head.size === bcdb.head.size && ledger.fold.digest === bcdb.digest;
  await waitFor(() => isSame() || replica.halted !== undefined, {
    what: 'the replica to have the whole log and the same state',
    timeoutMs: 60_000,
  });
  assert.equal(replica.halted, undefined);
  assert.deepEqual(replica.alarms, []);
  assert.deepEqual(Buffer.from(ledger.head.root), Buffer.from(bcdb.head.root));
  assert.equal(ledger.fold.digest, bcdb.digest);
}

/** Verifies the whole log with nothing but its export. */
export async function verifyAll(folder: string, bcdb: Bcdb): Promise<VerifyReport> {
  let text = '';
  for await (const lines of bcdb.export()) text += lines;
  const file = join(folder, 'export.jsonl');
  await writeFile(file, text);
  return verifyExport(file);
}
