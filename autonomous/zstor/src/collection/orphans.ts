import type { DatabaseSync } from 'node:sqlite';
import { silentLogger } from '@commongrid/base';
import { chunkKeyOf } from '../backends/backend.ts';
import type { Backend } from '../backends/backend.ts';
import { keyPages } from '../backends/key-pages.ts';
import type { StoredKey } from '../backends/key-pages.ts';
import { copyPart, findChunk, wasGivenUp } from '../blob/chunk-table.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import { statementOf } from '../catalog/statement-of.ts';
import { isRebuilt } from '../rebuild/rebuild-tables.ts';
import type { CollectionParts } from './collector.ts';
import { findDead } from './dead-tables.ts';

/** What was deleted on a backend. */
export interface Swept {
  /** Shards and copies without a record. */
  readonly orphans: number;
  /** Those whose chunk has this shard elsewhere. */
  readonly strays: number;
}

type Verdict = 'needed' | 'orphan' | 'stray';

interface Judged {
  readonly key: Buffer;
  readonly chunkId: Buffer;
  readonly part: number;
  readonly verdict: Verdict;
}

/**
 * Deletes what backends have and nothing needs: shards whose chunk has no record and will never have
 * one, and shards of which the chunk has another. Keys of other kinds are left alone.
 *
 * Why a head that was deposed without noticing does no harm: docs/decisions/0033-zstor-collection.md.
 */
export class Orphans {
  readonly #o: CollectionParts;

  constructor(options: CollectionParts) {
    this.#o = options;
  }

  /**
   * Looks through all keys of a backend.
   * @throws ZSTOR_BACKEND_*, ZSTOR_CATALOG_NOT_SERVING, ZSTOR_CATALOG_RESULT_UNKNOWN, BASE_ABORTED
   */
  async sweep(backend: Backend, signal?: AbortSignal): Promise<Swept> {
    const { logger = silentLogger, keyBudget } = this.#o;
    const swept = { orphans: 0, strays: 0 };
    for await (const page of keyPages(backend, '', signal)) {
      await keyBudget.take(page.length, signal);
      const { orphans, strays } = await this.remove(backend, page);
      swept.orphans += orphans;
      swept.strays += strays;
    }
    const { no } = backend;
    if (swept.orphans + swept.strays > 0)
      logger.info({ no, ...swept }, 'deleted what nothing needs');
    return swept;
  }

  /**
   * Of these keys, which the backend has, deletes those that nothing needs; none while the tables are
   * rebuilt and not accepted, since they may lack what is needed. Throws as `sweep`.
   */
  async remove(backend: Backend, keys: readonly StoredKey[]): Promise<Swept> {
    const { tables, onStep } = this.#o;
    if (tables.read(isRebuilt)) return { orphans: 0, strays: 0 };
    const judged = tables.read((db) => keys.flatMap(({ key }) => this.#judge(db, backend, key)));
    const orphans = judged.filter(({ verdict }) => verdict === 'orphan');
    const strays = await this.#giveUp(
      backend,
      judged.filter(({ verdict }) => verdict === 'stray'),
    );
    const unneeded = [...orphans, ...strays].map(({ key }) => key);
    if (unneeded.length === 0) return { orphans: 0, strays: 0 };
    onStep?.('orphans are chosen');
    tables.requireLease();
    await backend.remove(unneeded);
    onStep?.('orphans are deleted');
    return { orphans: orphans.length, strays: strays.length };
  }

  /** Sees the tables and the requests in flight at one time: nothing may be waited for between. */
  #judge(db: DatabaseSync, backend: Backend, key: Buffer): Judged | [] {
    const { ids, pins } = this.#o;
    const parsed = chunkKeyOf(key);
    if (parsed === undefined) return [];
    const { chunkId, index: part = copyPart } = parsed;
    if (ids.mayBeInFlight(chunkId) || pins.has(chunkId)) return [];
    const judged = (verdict: Verdict): Judged => ({ key, chunkId, part, verdict });
    const record = findChunk(db, chunkId);
    const isOfRecord = record !== undefined && (record.kind === 'copied') === (part === copyPart);
    if (!isOfRecord) return judged('orphan');
    const { locations } = record;
    const isThere =
      part === copyPart ? locations.includes(backend.no) : locations[part] === backend.no;
    const isStray = !isThere && this.#isWhole(record) && findDead(db, chunkId) === undefined;
    return judged(isStray ? 'stray' : 'needed');
  }

  /** As long as a shard of it is away, another one more may be the one that is missed. */
  #isWhole({ locations }: ChunkRecord): boolean {
    return locations.every((no) => this.#o.backends.byNo(no)?.state === 'healthy');
  }

  /** In the log first: whoever has the shard moved back here meanwhile, or will, is told not to. */
  async #giveUp(backend: Backend, strays: readonly Judged[]): Promise<readonly Judged[]> {
    if (strays.length === 0) return strays;
    const { tables, snapshotChunks, onStep } = this.#o;
    const kept = snapshotChunks?.().map((id) => Buffer.from(id).toString('hex')) ?? [];
    const left = strays.filter(({ chunkId }) => !kept.includes(chunkId.toString('hex')));
    const givenUp = await tables.write((db) => {
      const insert = statementOf(db, 'INSERT INTO given_up VALUES (?, ?, ?)');
      return left.filter((stray) => {
        const { chunkId, part } = stray;
        const [now] = [this.#judge(db, backend, stray.key)].flat();
        if (now?.verdict !== 'stray') return false;
        if (!wasGivenUp(db, chunkId, part, backend.no)) insert.run(chunkId, part, backend.no);
        return true;
      });
    });
    onStep?.('strays are given up');
    return givenUp;
  }
}
