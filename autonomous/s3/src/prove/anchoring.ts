import { hkdfSync } from 'node:crypto';

import type { RecordProof } from '@commongrid/bcdb/browser';
import { rootAt } from '@commongrid/bcdb/browser';
import { GridError, Mutex, repeat } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { BlobStore, Catalog } from '@commongrid/zstor';

import type { S3PackageErrorCode } from '../errors.ts';
import { alter, rowOf } from '../meta/statements.ts';
import { growTree } from './grow-tree.ts';
import { TreeReader } from './tree-tables.ts';

/** How old the newest anchor may get while there are newer versions. */
const anchorEveryMs = 86_400_000;
/** How often its age is looked at; a database that is away is tried again so often. */
const lookEveryMs = 600_000;

/** What a record of type `grid.anchor.1` says. */
export interface Anchor {
  readonly store: string;
  readonly size: number;
  /** base64url. */
  readonly root: string;
}

/** A BCDB, in which the store's owner signs. */
export interface AnchorLog {
  /** Writes the anchor as the object `anchor.store`, and proves that it is there. */
  write(anchor: Anchor, signal: AbortSignal): Promise<RecordProof>;
}

export interface AnchoringOptions {
  readonly catalog: Catalog;
  /** Tells the anchors of this store from those of others. */
  readonly store: string;
  /** Undefined where nobody said which database. */
  readonly log: AnchorLog | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface AnchorReport extends Anchor {
  readonly madeMs: number;
  /** False when nothing was new, and the report is about the anchor before. */
  readonly isNew: boolean;
  /** Place of the record in the database. */
  readonly seq: number;
}

/** Names a store in its anchors, without telling anything of it. */
export function storeNameOf({ keys }: Pick<BlobStore, 'keys'>): string {
  const name = hkdfSync('sha256', keys.bucketsKey, new Uint8Array(), 'commongrid/s3-anchor/1', 16);
  return Buffer.from(name).toString('hex');
}

/** Lets a database say, daily and on demand, which versions of objects there are. */
export class Anchoring {
  readonly #options: AnchoringOptions;
  readonly #turn = new Mutex();

  constructor(options: AnchoringOptions) {
    this.#options = options;
  }

  /** Until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { catalog, clock, logger, log } = this.#options;
    if (log === undefined) return;
    const look = async (): Promise<void> => {
      if (!catalog.isServing || !catalog.read((db) => this.#isDue(db))) return;
      await this.anchor(signal);
    };
    const onError = (err: unknown): void => logger.warn({ err }, 'cannot anchor the versions');
    await repeat(lookEveryMs, look, { signal, clock, onError });
  }

  /** @throws S3_ANCHOR_NOWHERE, and as the log and the catalogue */
  anchor(signal: AbortSignal): Promise<AnchorReport> {
    return this.#turn.run(() => this.#anchor(signal), { signal });
  }

  async #anchor(signal: AbortSignal): Promise<AnchorReport> {
    const { catalog, store, log, clock } = this.#options;
    if (log === undefined) throw nowhere();
    const size = await growTree(catalog, signal);
    const known = catalog.read((db) => rowOf(db, 'SELECT * FROM s3_anchors WHERE size = ?', size));
    if (known !== undefined) {
      const record = JSON.parse(String(known['record'])) as RecordProof;
      const root = Buffer.from(known['root'] as Uint8Array).toString('base64url');
      const madeMs = Number(known['made_ms']);
      return { store, size, root, madeMs, isNew: false, seq: record.seq };
    }
    const hash = catalog.read((db) => rootAt(new TreeReader(db), size));
    const root = Buffer.from(hash).toString('base64url');
    const record = await log.write({ store, size, root }, signal);
    const madeMs = clock.nowMs();
    await catalog.write((db) => {
      const sql = 'INSERT OR REPLACE INTO s3_anchors VALUES (?, ?, ?, ?)';
      alter(db, sql, size, hash, madeMs, JSON.stringify(record));
    });
    return { store, size, root, madeMs, isNew: true, seq: record.seq };
  }

  #isDue(db: Parameters<typeof rowOf>[0]): boolean {
    const row = rowOf(
      db,
      `SELECT seen, last, (SELECT max(made_ms) FROM s3_anchors) AS made_ms,
        EXISTS (SELECT 1 FROM s3_versions) AS has_versions FROM s3_tree, s3_sequence`,
    );
    const hasNew = Number(row?.['last']) > Number(row?.['seen']) && row?.['has_versions'] === 1;
    const madeMs = Number(row?.['made_ms'] ?? 0);
    return hasNew && this.#options.clock.nowMs() - madeMs >= anchorEveryMs;
  }
}

function nowhere(): GridError<S3PackageErrorCode> {
  return new GridError('S3_ANCHOR_NOWHERE', 'this head knows no database to anchor versions in', {
    hint: 'start it with --anchor, the address of a BCDB',
  });
}
