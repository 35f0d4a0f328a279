import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';
import { GridError, inTransaction } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import { KeyFilter } from './key-filter.ts';

/** Entries kept in memory besides the layers, in two generations of half as many. */
const cachedEntriesMax = 200_000;

/** What one run of records changed: key to new value, `undefined` where the entry is gone. */
export type Layer = ReadonlyMap<string, string | undefined>;

/**
 * The state of the fold: an ordered map of text to text. Changes of records whose batch is not yet
 * durable lie in layers above a SQLite file; a batch that becomes durable sinks into the file, one
 * that failed is dropped with all above it. The file can always be made again from the log, so a
 * batch is not synced; but checkpoints of SQLite are, or a loss of power could leave old and new
 * pages side by side.
 */
export class LayeredStore implements Disposable {
  readonly #db: DatabaseSync;
  readonly #get: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #scan: StatementSync;
  readonly #keys: StatementSync;
  readonly #layers: Layer[] = [];
  /**
   * Values of the file, `undefined` where it has none. What is used goes into the young generation;
   * when that is full it becomes the old one, and what was old is forgotten.
   */
  #young = new Map<string, string | undefined>();
  #old = new Map<string, string | undefined>();

  /** Most records are about new objects: no need to ask the file for those. */
  #filter: KeyFilter;

  private constructor(db: DatabaseSync) {
    this.#db = db;
    this.#filter = filterOf(db);
    this.#get = db.prepare('SELECT value FROM entry WHERE key = ?');
    this.#put = db.prepare(
      'INSERT INTO entry (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
    );
    this.#remove = db.prepare('DELETE FROM entry WHERE key = ?');
    this.#keys = db.prepare('SELECT key FROM entry WHERE key > ? AND key < ? ORDER BY key LIMIT ?');
    this.#scan = db.prepare('SELECT key, value FROM entry WHERE key >= ? AND key < ? ORDER BY key');
  }

  /**
   * Opens or creates the file, and empties one that is damaged; `:memory:` keeps nothing.
   * @throws BCDB_STATE_UNUSABLE
   */
  static open(file: string): LayeredStore {
    try {
      return new LayeredStore(openSound(file));
    } catch (error) {
      if (!isDamage(error)) throw unusable(file, error);
      for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
      return new LayeredStore(openSound(file));
    }
  }

  get(key: string): string | undefined {
    for (let index = this.#layers.length - 1; index >= 0; index--) {
      const layer = this.#layers[index];
      if (layer?.has(key) === true) return layer.get(key);
    }
    return this.#kept(key);
  }

  /** Entries whose keys start with `prefix`, by key. */
  scan(prefix: string): ReadonlyMap<string, string> {
    const found = new Map<string, string>();
    for (const row of this.#scan.iterate(prefix, `${prefix}\u{10ffff}`)) {
      found.set(String(row['key']), String(row['value']));
    }
    return changed(found, prefix, this.#layers);
  }

  /** The first key that starts with `prefix`, where `changes` lie above all layers. */
  firstKey(prefix: string, changes: readonly Layer[]): string | undefined {
    const layers = [...this.#layers, ...changes];
    const isGone = (key: string): boolean => {
      const newest = layers.findLast((layer) => layer.has(key));
      return newest !== undefined && newest.get(key) === undefined;
    };
    let first: string | undefined;
    for (const row of this.#scan.iterate(prefix, `${prefix}\u{10ffff}`)) {
      first = String(row['key']);
      if (!isGone(first)) break;
      first = undefined;
    }
    for (const layer of layers) {
      for (const key of layer.keys()) {
        const isEarlier = first === undefined || key < first;
        if (isEarlier && key.startsWith(prefix) && !isGone(key)) first = key;
      }
    }
    return first;
  }

  /** Keys of the file alone that start with `prefix`, from behind `after` on. */
  sunkKeys(
    prefix: string,
    { after, max }: { readonly after: string; readonly max: number },
  ): readonly string[] {
    const rows = this.#keys.all(after, `${prefix}\u{10ffff}`, max);
    return rows.map((row) => String(row['key']));
  }

  /** Lays the changes of a batch on top. */
  push(layer: Layer): void {
    this.#layers.push(layer);
  }

  /** The lowest layer is durable: it sinks into the file. */
  sink(): void {
    const layer = this.#layers.shift();
    if (layer === undefined) throw new Error('no layer lies above the file');
    this.write(layer);
  }

  /** Forgets all layers. */
  dropLayers(): void {
    this.#layers.length = 0;
  }

  /** Writes changes in one transaction. */
  write(layer: Layer): void {
    inTransaction(this.#db, () => {
      for (const [key, value] of layer) {
        if (value === undefined) this.#remove.run(key);
        else this.#put.run(key, value);
      }
    });
    for (const [key, value] of layer) {
      if (!isCached(key)) continue;
      if (value !== undefined) this.#filter.add(key);
      this.#remember(key, value);
    }
  }

  /** Empties the file, to be filled again from the log. */
  clear(): void {
    this.dropLayers();
    this.#young.clear();
    this.#old.clear();
    this.#db.exec('DELETE FROM entry');
    this.#filter = new KeyFilter();
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #kept(key: string): string | undefined {
    if (!isCached(key)) return this.#read(key);
    const young = this.#young.get(key);
    if (young !== undefined || this.#young.has(key)) return young;
    const text = this.#old.has(key) ? this.#old.get(key) : this.#read(key);
    this.#remember(key, text);
    return text;
  }

  #read(key: string): string | undefined {
    if (isCached(key) && !this.#filter.mayHave(key)) return undefined;
    const value = this.#get.get(key)?.['value'];
    return typeof value === 'string' ? value : undefined;
  }

  #remember(key: string, value: string | undefined): void {
    this.#young.set(key, value);
    if (this.#young.size < cachedEntriesMax / 2) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}

/** Counters of records are many, and hardly ever asked for. */
function isCached(key: string): boolean {
  return !key.startsWith(counterPrefix);
}

const counterPrefix = 'n ';

function filterOf(db: DatabaseSync): KeyFilter {
  const others = "key < 'n ' OR key >= 'n!'";
  const count = db.prepare(`SELECT count(*) AS count FROM entry WHERE ${others}`).get()?.['count'];
  const filter = new KeyFilter(Number(count));
  for (const row of db.prepare(`SELECT key FROM entry WHERE ${others}`).iterate()) {
    filter.add(String(row['key']));
  }
  return filter;
}

/** @throws an error of SQLite, which `isDamage` knows */
function openSound(file: string): DatabaseSync {
  const db = new DatabaseSync(file);
  try {
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;
      PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864`);
    db.exec('CREATE TABLE IF NOT EXISTS entry (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID');
    const found = db.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
    if (found === 'ok') return db;
    throw Object.assign(new Error(`${file} is damaged: ${String(found)}`), {
      errcode: corruptCode,
    });
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Result codes of SQLite: a malformed database, and a file that is none. */
const [corruptCode, noDatabaseCode] = [11, 26];

function isDamage(error: unknown): boolean {
  const code = (error as { readonly errcode?: unknown }).errcode;
  if (typeof code !== 'number') return false;
  // The lowest byte; above it stands what exactly went wrong.
  return (code & 0xff) === corruptCode || (code & 0xff) === noDatabaseCode;
}

function unusable(file: string, cause: unknown): GridError<BcdbErrorCode> {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new GridError('BCDB_STATE_UNUSABLE', `cannot open ${file}: ${why}`, {
    hint: 'see whether the disk has room and takes writes, then start again',
    retryable: true,
    details: { file },
    cause,
  });
}

/**
 * Entries whose keys start with `prefix`, by key, with what `layers` change of them, the newest last.
 * Takes `entries` over.
 */
export function changed(
  entries: Map<string, string>,
  prefix: string,
  layers: readonly Layer[],
): ReadonlyMap<string, string> {
  let hasNew = false;
  for (const layer of layers) {
    for (const [key, value] of layer) {
      if (!key.startsWith(prefix)) continue;
      hasNew ||= !entries.has(key);
      if (value === undefined) entries.delete(key);
      else entries.set(key, value);
    }
  }
  return hasNew ? new Map([...entries].toSorted(([a], [b]) => (a < b ? -1 : 1))) : entries;
}
