import { GridError, throwIfAborted } from '@commongrid/base';
import type { DatabaseSync } from 'node:sqlite';
import type { Credit } from '../backends/credit.ts';
import type { StoragePolicy } from '../blob/blob-writer.ts';
import type { ChunkIds } from '../blob/chunk-ids.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import type { ChunkTables } from '../blob/chunk-table.ts';
import { findChunk, insertChunks, requireSameHead } from '../blob/chunk-table.ts';
import type { Backends } from '../blob/shard-spread.ts';
import { statementOf } from '../catalog/statement-of.ts';
import { sharedPool } from '../chunk/buffer-pool.ts';
import { checkPolicy } from '../chunk/policy.ts';
import { markDead } from '../collection/dead-tables.ts';
import type { ZstorErrorCode } from '../errors.ts';
import { findManifestBlob } from '../manifest/manifest-tables.ts';
import type { ManifestBlob } from '../manifest/manifest.ts';
import { readBody } from '../packing/pack-reader.ts';
import { writePack } from '../packing/pack-writer.ts';
import type { WrittenPack } from '../packing/pack-writer.ts';
import { bytesOf, findBlob } from '../stor/blob-tables.ts';
import type { CodingThreads } from '../threads/coding-threads.ts';

/** Chunks that die in one change. */
const buriedMax = 10_000;

export interface ReencodeParts {
  readonly tables: ChunkTables;
  readonly backends: Backends;
  readonly threads: CodingThreads;
  readonly budget: Credit;
  readonly ids: ChunkIds;
}

export interface ReencodeOptions {
  /** Its k, m and where its shards may be; chunk size and compression stay what they were. */
  readonly policy: StoragePolicy;
  /** Called with what the blob is now: who keeps a manifest of what refers to it writes that anew here. */
  readonly onSwitched?: (blob: ManifestBlob) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

interface Recoded {
  readonly position: number;
  readonly former: Uint8Array;
  readonly written: WrittenPack;
}

/**
 * Gives the chunks of a blob another k and m. Their ciphertext stays what it is, so no key is needed and
 * no nonce is used twice; ids and shards are new. One change switches the blob to them. What it had is
 * superseded: it is dead once a snapshot of the tables knows better, see `burySuperseded`. Small objects are left as they are: they are packed as the store's policy says.
 *
 * @returns how many chunks were coded anew; 0 when the blob is gone, or changed meanwhile
 * @throws ZSTOR_POLICY_INVALID, ZSTOR_SHARDS_TOO_FEW, ZSTOR_BACKENDS_TOO_FEW, ZSTOR_SLOW_DOWN,
 *   BASE_ABORTED, as `Catalog.write`
 */
export async function reencodeBlob(
  parts: ReencodeParts,
  blobId: Uint8Array,
  { policy, onSwitched, signal }: ReencodeOptions,
): Promise<number> {
  checkPolicy(policy);
  const { tables } = parts;
  const recoded: Recoded[] = [];
  try {
    for (const [position, former] of chunksOf(tables, blobId).entries()) {
      throwIfAborted(signal);
      const record = tables.read((db) => findChunk(db, former));
      if (record?.kind !== 'coded' || isCodedSo(record, policy)) continue;
      const written = await recode(parts, record, policy, signal);
      recoded.push({ position, former, written });
    }
    if (recoded.length === 0) return 0;
    if (!(await tables.write((db) => switchChunks(db, blobId, recoded)))) return 0;
    const blob = tables.read((db) => findManifestBlob(db, blobId));
    if (blob !== undefined) await onSwitched?.(blob);
    return recoded.length;
  } finally {
    for (const { written } of recoded) written.end();
  }
}

function chunksOf(tables: ChunkTables, blobId: Uint8Array): readonly Uint8Array[] {
  return tables.read((db) => findBlob(db, blobId))?.chunks.map(({ id }) => id) ?? [];
}

function isCodedSo(record: ChunkRecord, { dataShards, parityShards }: StoragePolicy): boolean {
  return record.dataShards === dataShards && record.parityShards === parityShards;
}

async function recode(
  parts: ReencodeParts,
  record: ChunkRecord,
  policy: StoragePolicy,
  signal: AbortSignal | undefined,
): Promise<WrittenPack> {
  const { budget } = parts;
  // The shards that are read, the body, and the shards that are made.
  const loan = await budget.take(5 * record.bodyBytes, signal);
  try {
    const read = await readBody(parts, record, signal);
    if (read === undefined) throw tooFew(record);
    const body = sharedPool().take(read.length);
    body.set(read);
    return await writePack({ ...parts, policy }, { body, entries: [] });
  } finally {
    loan.release();
  }
}

/** All or nothing: a blob that is not what it was stays as it is. */
function switchChunks(db: DatabaseSync, blobId: Uint8Array, recoded: readonly Recoded[]): boolean {
  const chunks = findBlob(db, blobId)?.chunks;
  const isSame = recoded.every(({ position, former }) => {
    const id = chunks?.[position]?.id;
    return id !== undefined && Buffer.compare(id, former) === 0;
  });
  if (!isSame) return false;
  const update = statementOf(
    db,
    'UPDATE blob_chunks SET chunk = ? WHERE blob = ? AND position = ?',
  );
  const records = recoded.map(({ written }) => written.record);
  requireSameHead(db, records);
  insertChunks(db, records);
  for (const { position, former, written } of recoded) {
    update.run(written.record.id, blobId, position);
    statementOf(db, 'INSERT INTO superseded VALUES (?)').run(former);
  }
  return true;
}

/** Whether there is anything for `burySuperseded`. */
export function hasSuperseded(tables: Pick<ChunkTables, 'read'>): boolean {
  const sql = 'SELECT 1 FROM superseded LIMIT 1';
  return tables.read((db) => statementOf(db, sql).get() !== undefined);
}

/**
 * Has a snapshot taken, and what was superseded before it is dead: until then the tables could be made
 * again from one that knows no other chunks. @throws as `Catalog.takeSnapshot`
 */
export async function burySuperseded(
  catalog: ChunkTables & { takeSnapshot(): Promise<void> },
): Promise<void> {
  const chunks = catalog.read((db) => {
    const sql = 'SELECT chunk FROM superseded LIMIT ?';
    return statementOf(db, sql)
      .all(buriedMax)
      .map((row) => bytesOf(row['chunk']));
  });
  if (chunks.length === 0) return;
  await catalog.takeSnapshot();
  await catalog.write((db) => {
    for (const chunk of chunks) {
      markDead(db, chunk);
      statementOf(db, 'DELETE FROM superseded WHERE chunk = ?').run(chunk);
    }
  });
}

function tooFew({ id, dataShards }: ChunkRecord): GridError<ZstorErrorCode> {
  const chunkId = Buffer.from(id).toString('hex');
  return new GridError('ZSTOR_SHARDS_TOO_FEW', `chunk ${chunkId} cannot be read just now`, {
    hint: 'bring a backend back that holds another shard of this chunk',
    retryable: true,
    details: { chunkId, needed: dataShards },
  });
}
