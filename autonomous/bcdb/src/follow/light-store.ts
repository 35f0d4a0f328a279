import { DatabaseSync } from 'node:sqlite';
import type { SQLOutputValue } from 'node:sqlite';
import { GridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../errors.ts';
import type { FeedHead } from '../feeds/feed-hash.ts';
import type { StoredEntry } from '../log/log-engine.ts';
import type { RecordOp } from '../record/envelope.ts';
import type { ProposalRecord } from '../record/system-records.ts';
import type { ObjectName } from '../state/state-view.ts';
import { fromBase64url, toBase64url } from '../tree/base64.ts';
import type { SeenHead } from './head-check.ts';
import type { HeldFeed, LightItem, LightTick } from './light-check.ts';

/** What a follower verified as a whole: nothing that concerns its readers is missing in it. */
export interface WholeView {
  /** Size of the log under whose checkpoint it was verified. */
  readonly size: number;
  /** When the sequencer said that this is the newest head: seconds since 1970. */
  readonly timestamp: number;
  readonly tick: LightTick;
  readonly feeds: readonly HeldFeed[];
}

/** The current version of an object. */
export interface LightObject extends ObjectName {
  /** Sequence of the record that made it take effect. */
  readonly seq: number;
  /** Log time then, milliseconds since 1970. */
  readonly at: number;
  /** Leaf hash of the record with the payload, base64url. */
  readonly version: string;
  readonly author: string;
  /** Undefined where the payload is sealed. */
  readonly value: JsonValue | undefined;
}

/**
 * What a light follower keeps: the records of its feeds, and how far it is. One SQLite file, synced
 * with each transaction. Records wait in tables of their own until their feeds are whole.
 */
export class LightStore implements Disposable {
  readonly #db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** @throws BCDB_OTHER_LOG when the file is of another log or reader */
  static open(file: string, owner: string): LightStore {
    const db = new DatabaseSync(file);
    try {
      db.exec(schema);
      const store = new LightStore(db);
      store.#own(owner);
      store.dropPending();
      return store;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** The newest head that was seen; none is ever taken below it. */
  get seen(): SeenHead | undefined {
    const text = this.#fact('seen');
    return text === undefined ? undefined : (JSON.parse(text) as SeenHead);
  }

  set seen(seen: SeenHead) {
    this.#setFact('seen', JSON.stringify(seen));
  }

  /** Why the log is not followed any more. */
  get halted(): GridError<BcdbErrorCode> | undefined {
    const text = this.#fact('halted');
    if (text === undefined) return undefined;
    const { code, message } = JSON.parse(text) as { code: BcdbErrorCode; message: string };
    return new GridError(code, message, { hint: 'see the evidence in its folder' });
  }

  halt({ code, message }: GridError): void {
    this.#setFact('halted', JSON.stringify({ code, message }));
  }

  get whole(): WholeView | undefined {
    const text = this.#fact('whole');
    if (text === undefined) return undefined;
    const { feeds, ...rest } = JSON.parse(text) as Omit<WholeView, 'feeds'> & {
      readonly feeds: readonly StoredFeed[];
    };
    return { ...rest, feeds: feeds.map(feedFrom) };
  }

  /** Keeps records until their feeds are whole. */
  addPending(reader: string, from: FeedHead, items: readonly LightItem[]): void {
    const record = this.#db.prepare(`INSERT INTO pending_record VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET feed = excluded.feed, n = excluded.n, at = excluded.at`);
    const proposed = this.#db.prepare(
      'INSERT OR IGNORE INTO pending_record VALUES (?, NULL, NULL, NULL, ?, ?)',
    );
    const object = this.#db.prepare(`INSERT INTO pending_object VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
      ${newerObject}`);
    this.#transaction(() => {
      for (const [index, item] of items.entries()) {
        const { record: own, at, proposal } = item;
        record.run(own.seq, reader, from.count + index, at, own.leaf, own.body ?? null);
        if (proposal !== undefined)
          proposed.run(proposal.seq, proposal.leaf, proposal.body ?? null);
        for (const change of changesOf(item)) {
          const { ns, url, obj, op, version, author, value } = change;
          const text = value === undefined ? null : JSON.stringify(value);
          object.run(ns, url, obj, own.seq, at, op, version, author, text);
        }
      }
    });
  }

  /** Records that do not belong to a whole are as if they had not come. */
  dropPending(): void {
    this.#db.exec('DELETE FROM pending_record; DELETE FROM pending_object');
  }

  /** What is pending counts from now on. */
  commit({ feeds, ...view }: WholeView): void {
    this.#transaction(() => {
      this.#db.exec(`
        INSERT INTO record SELECT * FROM pending_record WHERE true ON CONFLICT DO UPDATE SET
          feed = coalesce(excluded.feed, feed), n = coalesce(excluded.n, n),
          at = coalesce(excluded.at, at);
        INSERT INTO object SELECT * FROM pending_object WHERE true ${newerObject};
        DELETE FROM pending_record;
        DELETE FROM pending_object`);
      this.#setFact('whole', JSON.stringify({ ...view, feeds: feeds.map(storedFeed) }));
    });
  }

  /** Current version of an object; undefined when it never was, or is deleted. */
  current({ ns, url, obj }: ObjectName): LightObject | undefined {
    const row = this.#db
      .prepare(`SELECT * FROM object WHERE ns = ? AND url = ? AND obj = ? AND op = 'put'`)
      .get(ns, url, obj);
    return row === undefined ? undefined : objectFrom(row);
  }

  /** Current versions of all objects of a type, by id. */
  *objects(ns: string, url: string): Generator<LightObject> {
    const rows = this.#db.prepare(
      `SELECT * FROM object WHERE ns = ? AND url = ? AND op = 'put' ORDER BY obj`,
    );
    for (const row of rows.iterate(ns, url)) yield objectFrom(row);
  }

  /** Records of a feed as they were signed, in order. */
  *records(reader: string): Generator<StoredEntry> {
    const rows = this.#db.prepare('SELECT seq, leaf, body FROM record WHERE feed = ? ORDER BY n');
    for (const { seq, leaf, body } of rows.iterate(reader)) {
      yield {
        seq: Number(seq),
        leaf: leaf as Uint8Array,
        body: body === null ? undefined : (body as Uint8Array),
      };
    }
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #own(owner: string): void {
    const known = this.#fact('owner');
    if (known === undefined) this.#setFact('owner', owner);
    else if (known !== owner) {
      throw new GridError<BcdbErrorCode>('BCDB_OTHER_LOG', `this folder belongs to ${known}`, {
        hint: 'name another folder',
        details: { expected: owner, actual: known },
      });
    }
  }

  #fact(name: string): string | undefined {
    const row = this.#db.prepare('SELECT value FROM fact WHERE name = ?').get(name);
    return row === undefined ? undefined : String(row['value']);
  }

  #setFact(name: string, value: string): void {
    this.#db.prepare('INSERT OR REPLACE INTO fact VALUES (?, ?)').run(name, value);
  }

  #transaction(change: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      change();
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#db.exec('ROLLBACK');
      throw error;
    }
  }
}

const recordColumns =
  '(seq INTEGER PRIMARY KEY, feed TEXT, n INTEGER, at INTEGER, leaf BLOB NOT NULL, body BLOB)';
const objectColumns = `(ns TEXT, url TEXT, obj TEXT, seq INTEGER NOT NULL, at INTEGER NOT NULL,
  op TEXT NOT NULL, version TEXT NOT NULL, author TEXT NOT NULL, value TEXT,
  PRIMARY KEY (ns, url, obj)) WITHOUT ROWID`;

/** Feeds come one after the other, so that of an object an older version may come later. */
const newerObject = `ON CONFLICT DO UPDATE SET seq = excluded.seq, at = excluded.at,
  op = excluded.op, version = excluded.version, author = excluded.author, value = excluded.value
  WHERE excluded.seq > seq`;

const schema = `
  PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;
  CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS record ${recordColumns};
  CREATE INDEX IF NOT EXISTS record_feed ON record (feed, n);
  CREATE TABLE IF NOT EXISTS object ${objectColumns};
  CREATE TABLE IF NOT EXISTS pending_record ${recordColumns};
  CREATE TABLE IF NOT EXISTS pending_object ${objectColumns}`;

interface Change extends ObjectName {
  readonly op: RecordOp;
  readonly version: string;
  readonly author: string;
  readonly value: JsonValue | undefined;
}

/** What an item did: its own record, and the proposal that took effect with it. */
function changesOf({ record, proposal }: LightItem): readonly Change[] {
  const { version, value, envelope } = record;
  const own = { ...nameOf(envelope), op: envelope.op, version, author: envelope.author, value };
  if (proposal === undefined) return [own];
  const { op, url, obj, value: proposed } = proposal.value as unknown as ProposalRecord;
  const { ns, author } = proposal.envelope;
  const { version: of } = proposal;
  return [own, { ns, url, obj, op, version: of, author, value: proposed as JsonValue | undefined }];
}

function nameOf({ ns, url, obj }: ObjectName): ObjectName {
  return { ns, url, obj };
}

function objectFrom(row: Record<string, SQLOutputValue>): LightObject {
  const { ns, url, obj, seq, at, version, author, value } = row;
  return {
    ns: String(ns),
    url: String(url),
    obj: String(obj),
    seq: Number(seq),
    at: Number(at),
    version: String(version),
    author: String(author),
    value: value === null ? undefined : (JSON.parse(String(value)) as JsonValue),
  };
}

interface StoredFeed {
  readonly reader: string;
  readonly count: number;
  readonly chain: string;
  readonly lastSeq: number;
}

function storedFeed({ reader, head, lastSeq }: HeldFeed): StoredFeed {
  return { reader, count: head.count, chain: toBase64url(head.chain), lastSeq };
}

function feedFrom({ reader, count, chain, lastSeq }: StoredFeed): HeldFeed {
  return { reader, head: { count, chain: fromBase64url(chain) ?? new Uint8Array() }, lastSeq };
}
