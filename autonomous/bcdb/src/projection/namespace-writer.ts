import { isUtf8 } from 'node:buffer';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { inTransaction, isGridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import { systemPrefix, systemUrls } from '../record/system-records.ts';
import { parseSchema } from '../schema/schema-document.ts';
import type { SchemaDocument } from '../schema/schema-document.ts';
import type { Effect, ObjectPut } from '../state/effect.ts';
import { changeLayout } from './layout-change.ts';
import { createTypeSql, mergeTextSql, tablesOf } from './layout.ts';
import type { TypeLayout } from './layout.ts';
import { openWritable, prepareWrite } from './namespace-file.ts';
import { TypeWriter } from './type-writer.ts';
import type { ChangeRow, StoredPayload } from './type-writer.ts';

/** The part of a batch that concerns one namespace. */
export interface NamespaceBatch {
  readonly size: number;
  readonly root: Uint8Array;
  readonly effects: readonly Effect[];
}

/** Tables of a file besides those of its types. */
const baseTables = `
  CREATE TABLE _meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
  INSERT INTO _meta VALUES ('applied', 0), ('root', NULL), ('private', 0);
  CREATE TABLE _texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE _types (id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE, schema TEXT,
    layout TEXT NOT NULL) STRICT;
  CREATE TABLE _feed (seq INTEGER NOT NULL, type INTEGER NOT NULL, id INTEGER NOT NULL,
    PRIMARY KEY (seq, type)) STRICT, WITHOUT ROWID;
  CREATE TABLE _times (at INTEGER PRIMARY KEY, seq INTEGER NOT NULL) STRICT`;

/** Texts (keys, hashes of schemas) whose numbers are kept in memory. */
const textsCachedMax = 10_000;

/** Writes the file of one namespace. One batch is one transaction. */
export class NamespaceWriter {
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #types = new Map<string, TypeWriter>();
  readonly #texts = new Map<string, number>();
  readonly #insertText: StatementSync;
  readonly #findText: StatementSync;
  readonly #feed: StatementSync;
  readonly #time: StatementSync;
  readonly #meta: StatementSync;
  #applied: number;
  #isPrivate: boolean;
  /** Types whose words must be merged, and pages wiped, after an erasure. */
  readonly #erased = new Set<number>();
  #mustTruncate = false;
  /** Types whose words may lie in more parts than a search needs to look at. */
  readonly #unmerged: Set<number>;

  constructor(path: string) {
    this.path = path;
    const db = openWritable(path, baseTables);
    this.#db = db;
    this.#insertText = prepareWrite(db, 'INSERT INTO _texts (text) VALUES (?)');
    this.#findText = prepareWrite(db, 'SELECT id FROM _texts WHERE text = ?');
    this.#feed = prepareWrite(db, 'INSERT INTO _feed (seq, type, id) VALUES (?, ?, ?)');
    this.#time = prepareWrite(
      db,
      `INSERT INTO _times (at, seq) VALUES (?, ?)
      ON CONFLICT (at) DO UPDATE SET seq = excluded.seq`,
    );
    this.#meta = prepareWrite(db, 'UPDATE _meta SET value = ? WHERE key = ?');
    this.#applied = Number(this.#read('applied'));
    this.#isPrivate = this.#read('private') === 1;
    const searched = "SELECT id FROM _types WHERE json_array_length(layout, '$.searched') > 0";
    this.#unmerged = new Set(
      db
        .prepare(searched)
        .all()
        .map(({ id }) => Number(id)),
    );
  }

  /** Size of the log up to which this file is complete. */
  get applied(): number {
    return this.#applied;
  }

  /** Root of the log at that size; undefined before the first batch. */
  get root(): Uint8Array | undefined {
    const root = this.#read('root');
    return root instanceof Uint8Array ? root : undefined;
  }

  /** Applies what the file does not have yet, all or nothing. */
  apply(batch: NamespaceBatch): void {
    if (batch.size <= this.#applied) return;
    const former = this.#isPrivate;
    try {
      inTransaction(this.#db, () => this.#applyEffects(batch));
    } catch (error) {
      // What is cached may name rows that are gone again.
      this.#types.clear();
      this.#texts.clear();
      this.#erased.clear();
      this.#isPrivate = former;
      throw error;
    }
    this.#applied = batch.size;
    if (this.#mustTruncate) this.#truncate();
  }

  /**
   * Merges words of what was applied, for some milliseconds: a search looks at fewer parts then.
   * False when nothing is left to be merged.
   */
  mergeText(): boolean {
    for (const id of this.#unmerged) {
      const before = this.#changes();
      this.#db.exec(mergeTextSql(id));
      // The statement itself counts as one change.
      if (this.#changes() - before > 1) return true;
      this.#unmerged.delete(id);
    }
    return false;
  }

  close(): void {
    if (this.#mustTruncate) this.#truncate();
    this.#db.close();
  }

  #applyEffects({ effects, size, root }: NamespaceBatch): void {
    const times = new Map<number, number>();
    for (const effect of effects) {
      if (effect.seq < this.#applied) continue;
      this.#applyEffect(effect);
      times.set(effect.at, effect.seq);
    }
    for (const [at, seq] of times) this.#time.run(at, seq);
    this.#meta.run(size, 'applied');
    this.#meta.run(root, 'root');
    // Words of a deleted text stay in older parts of its index until the parts are merged.
    for (const id of this.#erased) {
      const { text } = tablesOf(id);
      this.#db.exec(`INSERT INTO ${text} (${text}) VALUES ('optimize')`);
    }
    this.#erased.clear();
  }

  #applyEffect(effect: Effect): void {
    const { obj, seq, origin, version, at, url } = effect;
    const type = this.#type(url);
    const row: ChangeRow = {
      obj,
      seq,
      origin,
      version,
      author: this.#textId(effect.author),
      at,
      schema:
        effect.kind === 'put' && effect.schema !== undefined ? this.#textId(effect.schema) : null,
    };
    let id = 0;
    if (effect.kind === 'put') {
      const payload = this.#payload(effect, type.layout);
      id = type.put(row, payload);
      this.#learn(effect, payload.value);
    } else if (effect.kind === 'del') {
      type.delete(row);
    } else {
      type.erase(row);
      if (type.layout.searched.length > 0) this.#erased.add(type.layout.id);
      this.#mustTruncate = true;
    }
    if (type.layout.searched.length > 0) this.#unmerged.add(type.layout.id);
    this.#feed.run(seq, type.layout.id, id);
  }

  /** Namespaces and schemas are objects too, which change how those after them are kept. */
  #learn({ url }: ObjectPut, value: JsonValue | undefined): void {
    if (url === systemUrls.namespace) {
      this.#isPrivate = memberOf(value, 'isPrivate') === true;
      this.#meta.run(this.#isPrivate ? 1 : 0, 'private');
    }
    if (url !== systemUrls.schema) return;
    const ofUrl = memberOf(value, 'url');
    const document = schemaOf(memberOf(value, 'schema'));
    if (typeof ofUrl !== 'string' || document === undefined) return;
    const { layout } = this.#type(ofUrl);
    this.#types.set(ofUrl, new TypeWriter(this.#db, changeLayout(this.#db, layout, document)));
  }

  #payload({ payload, url }: ObjectPut, layout: TypeLayout): StoredPayload {
    if (payload === undefined) return { stored: null, value: undefined };
    const isSealed = this.#isPrivate && !url.startsWith(systemPrefix);
    if (isSealed || !isUtf8(payload)) return { stored: payload, value: undefined };
    const stored = Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString();
    const isRead =
      layout.indexed.length + layout.searched.length > 0 ||
      url === systemUrls.schema ||
      url === systemUrls.namespace;
    return { stored, value: isRead ? parsed(stored) : undefined };
  }

  #type(url: string): TypeWriter {
    const known = this.#types.get(url);
    if (known !== undefined) return known;
    const row = this.#db.prepare('SELECT layout FROM _types WHERE url = ?').get(url);
    const layout =
      row === undefined ? this.#addType(url) : (JSON.parse(String(row['layout'])) as TypeLayout);
    const type = new TypeWriter(this.#db, layout);
    this.#types.set(url, type);
    return type;
  }

  #addType(url: string): TypeLayout {
    const next = this.#db.prepare('SELECT coalesce(max(id), 0) + 1 AS id FROM _types').get();
    const id = Number(next?.['id']);
    const layout: TypeLayout = { id, url, indexed: [], searched: [], nextNumber: 1 };
    this.#db.exec(createTypeSql(id));
    const insert = 'INSERT INTO _types (id, url, layout) VALUES (?, ?, ?)';
    prepareWrite(this.#db, insert).run(id, url, JSON.stringify(layout));
    return changeLayout(this.#db, layout, undefined);
  }

  #textId(text: string): number {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const found = this.#findText.get(text)?.['id'];
    const id = Number(found ?? this.#insertText.run(text).lastInsertRowid);
    if (this.#texts.size >= textsCachedMax) this.#texts.clear();
    this.#texts.set(text, id);
    return id;
  }

  #changes(): number {
    return Number(this.#db.prepare('SELECT total_changes() AS changes').get()?.['changes']);
  }

  #read(key: string): unknown {
    return this.#db.prepare('SELECT value FROM _meta WHERE key = ?').get(key)?.['value'];
  }

  /** The write-ahead file still has what was erased; a reader can put this off for a batch. */
  #truncate(): void {
    const result = this.#db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
    this.#mustTruncate = result?.['busy'] !== 0;
  }
}

function parsed(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The fold refuses what is no schema; should one get here, its type has no fields. */
function schemaOf(value: JsonValue | undefined): SchemaDocument | undefined {
  try {
    return value === undefined ? undefined : parseSchema(value);
  } catch (error) {
    if (isGridError(error, 'BCDB_SCHEMA_INVALID')) return undefined;
    throw error;
  }
}

function memberOf(value: JsonValue | undefined, name: string): JsonValue | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const members = value as Readonly<Record<string, JsonValue>>;
  return Object.hasOwn(members, name) ? members[name] : undefined;
}
