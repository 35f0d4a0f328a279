import assert from 'node:assert/strict';
import { constants, DatabaseSync } from 'node:sqlite';

import { blobTables, insertBlob } from '@commongrid/zstor';

import type { BodyBlob } from '../meta/bodies.ts';
import { marksTable, wrongMarks } from '../meta/body-marks.ts';
import { ObjectIds } from '../meta/object-ids.ts';
import { metaTables } from '../meta/s3-tables.ts';
import type { ObjectHeaders } from '../protocol/object-headers.ts';

export const noHeaders: ObjectHeaders = {
  ...{ system: {}, user: {}, tags: [], lock: undefined, legalHold: undefined },
};

/** The tables of S3 in memory, and a follower that gets nothing but changesets. */
export class MetaTables implements Disposable {
  readonly db = open();
  readonly follower = open();
  readonly ids = new ObjectIds(() => 1);
  #blobs = 0;

  /** Runs one change as the catalogue does: undone as a whole when it throws, then followed. */
  change<T>(run: (db: DatabaseSync) => T): T {
    const { db } = this;
    const session = db.createSession();
    db.exec('SAVEPOINT one_change');
    try {
      const result = run(db);
      db.exec('RELEASE one_change');
      this.#follow(session.changeset());
      return result;
    } catch (error) {
      db.exec('ROLLBACK TO one_change');
      db.exec('RELEASE one_change');
      throw error;
    } finally {
      session.close();
    }
  }

  /** A blob of one chunk, to which the caller's row refers. */
  newBlob(db: DatabaseSync, sizeBytes: number): BodyBlob {
    this.#blobs += 1;
    const id = Buffer.alloc(16);
    id.writeUInt32BE(this.#blobs);
    const chunk = { id: Buffer.from(id).fill(1, 8), plaintextBytes: sizeBytes };
    const record = {
      ...{ id: chunk.id, kind: 'coded' as const, dataShards: 1, parityShards: 1 },
      ...{ bodyBytes: sizeBytes, locations: [1, 2], digests: [Buffer.alloc(32)] },
    };
    insertBlob(db, { id, keyNo: 0, wrappedKey: Buffer.alloc(60), chunks: [chunk] }, [record]);
    return { id, sizeBytes };
  }

  /** What must hold whatever was done, here and on the follower. */
  check(): void {
    this.checkRows();
    assert.deepEqual(dump(this.follower), dump(this.db), 'the follower');
  }

  /** References, counters, one newest version of each key. */
  checkRows(): void {
    const { db } = this;
    const all = (sql: string): readonly unknown[] => db.prepare(sql).all();
    assert.deepEqual(
      all(`SELECT hex(id) AS id, refs FROM blobs ORDER BY id`),
      all(`SELECT hex(blob) AS id, count(*) AS refs FROM s3_parts WHERE blob IS NOT NULL
        GROUP BY blob ORDER BY blob`),
      'references of blobs',
    );
    const bodies = `SELECT body FROM s3_versions WHERE body IS NOT NULL
      UNION SELECT body FROM s3_uploads UNION SELECT body FROM s3_released`;
    assert.deepEqual(
      all(`SELECT body FROM s3_parts WHERE body NOT IN (${bodies})
        UNION SELECT body FROM s3_inline WHERE body NOT IN (${bodies})
          AND body NOT IN (SELECT inline FROM s3_parts WHERE inline IS NOT NULL)`),
      [],
      'bodies that nothing refers to',
    );
    assert.deepEqual(all(wrongMarks), [], 'marks of bodies');
    assert.deepEqual(
      all('SELECT name, objects, bytes, upload_bytes FROM s3_buckets ORDER BY name'),
      all(`SELECT name,
        (SELECT count(*) FROM s3_versions WHERE bucket = no AND is_marker = 0) AS objects,
        (SELECT coalesce(sum(size_bytes), 0) FROM s3_versions WHERE bucket = no) AS bytes,
        (SELECT coalesce(sum(p.size_bytes), 0) FROM s3_parts AS p JOIN s3_uploads AS u
          ON u.body = p.body WHERE u.bucket = no) AS upload_bytes
        FROM s3_buckets ORDER BY name`),
      'counters of buckets',
    );
    assert.deepEqual(
      all(`SELECT bucket, key FROM s3_versions GROUP BY bucket, key
        HAVING sum(is_latest) <> 1 OR max(sequence) <> max(is_latest * sequence)
        OR sum(is_null) > 1`),
      [],
      'newest versions',
    );
  }

  [Symbol.dispose](): void {
    this.db.close();
    this.follower.close();
  }

  #follow(changeset: Uint8Array): void {
    if (changeset.length === 0) return;
    const isApplied = this.follower.applyChangeset(changeset, {
      onConflict: () => constants.SQLITE_CHANGESET_ABORT,
    });
    assert.ok(isApplied, 'the changeset does not fit');
  }
}

function open(): DatabaseSync {
  const db = new DatabaseSync(':memory:');
  db.exec(blobTables + metaTables + marksTable);
  return db;
}

function dump(db: DatabaseSync): unknown {
  const tables = db.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`);
  return tables.all().map(({ name }) => [name, db.prepare(`SELECT * FROM ${String(name)}`).all()]);
}
