import { rm } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { chunkKeyOf } from '../backends/backend.ts';
import { keyPages } from '../backends/key-pages.ts';
import { nowhere } from '../blob/chunk-record.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import type { Backends } from '../blob/shard-spread.ts';
import { copyPart } from '../blob/chunk-table.ts';
import { statementOf } from '../catalog/statement-of.ts';

const insertFound = 'INSERT OR IGNORE INTO found VALUES (?, ?, ?)';

/** What all backends have that answer, in a file: it may be more than fits in memory. */
export class ShardInventory implements AsyncDisposable {
  readonly #path: string;
  readonly #db: DatabaseSync;
  /** Numbers of the backends that were gone through. */
  readonly #answered = new Set<number>();

  private constructor(path: string) {
    this.#path = path;
    this.#db = new DatabaseSync(path);
    this.#db.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
      CREATE TABLE found (
        chunk BLOB NOT NULL, part INTEGER NOT NULL, backend INTEGER NOT NULL,
        PRIMARY KEY (chunk, part, backend)
      ) WITHOUT ROWID`);
  }

  /** @param path of a file that is made, and removed again */
  static async take(
    path: string,
    backends: Backends,
    signal?: AbortSignal,
  ): Promise<ShardInventory> {
    await rm(path, { force: true });
    const inventory = new ShardInventory(path);
    for (const backend of backends.all) {
      if (backend.state !== 'healthy') continue;
      for await (const page of keyPages(backend, '', signal)) {
        inventory.#addKeys(
          backend.no,
          page.map(({ key }) => key),
        );
      }
      inventory.#answered.add(backend.no);
    }
    return inventory;
  }

  /** The highest epoch in ids of chunks; 0 when there are none. */
  get highestEpoch(): number {
    const row = this.#db.prepare('SELECT max(chunk) AS chunk FROM found').get();
    const chunk = row?.['chunk'];
    return chunk instanceof Uint8Array ? Buffer.from(chunk).readUInt32BE() : 0;
  }

  /** Takes in a chunk that was written since, and is where its record says. */
  add({ id, kind, locations }: ChunkRecord): void {
    const insert = statementOf(this.#db, insertFound);
    for (const [index, no] of locations.entries()) {
      if (no !== nowhere) insert.run(id, kind === 'copied' ? copyPart : index, no);
    }
  }

  /** Whether any shard or copy of a chunk was found. */
  has(chunkId: Uint8Array): boolean {
    const sql = 'SELECT 1 FROM found WHERE chunk = ? LIMIT 1';
    return statementOf(this.#db, sql).get(chunkId) !== undefined;
  }

  /**
   * Where the shards of a chunk are, as far as that is known better than its record does.
   * @param isGivenUp a backend may lose this shard, so that it must not be its location
   * @param isExact the record is right about backends that answer: what it has elsewhere is looked for,
   *   since those may be there under another number
   */
  locate(
    { id, kind, locations }: ChunkRecord,
    isGivenUp: (part: number, no: number) => boolean,
    isExact = false,
  ): number[] {
    const rows = statementOf(this.#db, 'SELECT part, backend FROM found WHERE chunk = ?').all(id);
    const found = rows
      .map((row) => ({ part: Number(row['part']), no: Number(row['backend']) }))
      .filter(({ part, no }) => !isGivenUp(part, no));
    const has = (part: number, no: number): boolean =>
      found.some((each) => each.part === part && each.no === no);
    const partOf = (index: number): number => (kind === 'copied' ? copyPart : index);
    const kept = locations.map((no, index) => {
      const isThere = has(partOf(index), no) || (no !== nowhere && !this.#answered.has(no));
      return (isExact ? this.#answered.has(no) : isThere) ? no : nowhere;
    });
    const used = new Set(kept);
    return kept.map((no, index) => {
      if (no !== nowhere) return no;
      const other = found.find((each) => each.part === partOf(index) && !used.has(each.no));
      if (other !== undefined) used.add(other.no);
      return other?.no ?? (isExact ? (locations[index] ?? nowhere) : nowhere);
    });
  }

  /** Chunks of which there are shards: their ids, and one shard of each. */
  *codedChunks(): Generator<{ id: Buffer; part: number; no: number }, void> {
    const sql = `SELECT chunk, min(part) AS part, backend FROM found WHERE part <> ${copyPart}
      GROUP BY chunk`;
    for (const row of this.#db.prepare(sql).iterate()) {
      const chunk = row['chunk'];
      if (!(chunk instanceof Uint8Array)) continue;
      yield { id: Buffer.from(chunk), part: Number(row['part']), no: Number(row['backend']) };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#db.close();
    await rm(this.#path, { force: true });
  }

  #addKeys(no: number, keys: readonly Buffer[]): void {
    const insert = statementOf(this.#db, insertFound);
    this.#db.exec('BEGIN');
    for (const key of keys) {
      const found = chunkKeyOf(key);
      if (found !== undefined) insert.run(found.chunkId, found.index ?? copyPart, no);
    }
    this.#db.exec('COMMIT');
  }
}
