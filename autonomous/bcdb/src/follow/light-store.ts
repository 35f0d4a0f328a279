import { DatabaseSync } from 'node:sqlite';
import type { SQLOutputValue } from 'node:sqlite';
import { GridError, inTransaction } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../errors.ts';
import type { StoredEntry } from '../log/log-engine.ts';
import type { Entry } from '../record/entry.ts';
import { systemUrls } from '../record/system-records.ts';
import type { ObjectName } from '../state/state-view.ts';
import { fromBase64url, toBase64url } from '../tree/base64.ts';
import type { SeenHead } from './head-check.ts';
import { changeOf, effectsOf, envelopeOf, proposedChange, proposedValue } from './light-change.ts';
import type { LightArrival } from './light-change.ts';
import type { HeldFeed, LightItem, LightRecord, LightTick } from './light-check.ts';
import { prepareTables } from './light-tables.ts';
import { modelText, packRecord, unpackRecord } from './packed-record.ts';
import type { ModelText } from './packed-record.ts';

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
 * with each transaction. Records wait in tables of their own until their feeds are whole. Each is
 * packed against the first one of its type; objects say only which record made them what they are.
 */
export class LightStore implements Disposable {
  readonly #db: DatabaseSync;
  /** The first record of each type, by its url and by its sequence. */
  readonly #models = new Map<string, Model>();
  readonly #modelTexts = new Map<number, ModelText>();
  /** Whether one of them is pending. */
  #hasPendingModels = false;
  readonly #readers: readonly string[];
  #seen: SeenHead | undefined;
  /** Size of the log of the whole view that is kept; undefined before the first. */
  #wholeSize: number | undefined;
  #hasPending = true;

  private constructor(db: DatabaseSync, readers: readonly string[]) {
    this.#db = db;
    this.#readers = readers;
  }

  /**
   * @param readers whose feeds it keeps, the one that it belongs to first
   * @throws BCDB_OTHER_LOG when the file is of another log or reader
   */
  static open(file: string, log: string, readers: readonly string[]): LightStore {
    const db = new DatabaseSync(file);
    try {
      prepareTables(db);
      const store = new LightStore(db, readers);
      store.#own(`${log} ${readers[0] ?? ''}`);
      store.dropPending();
      store.#loadModels();
      const seen = store.#fact('seen');
      if (seen !== undefined) store.#seen = JSON.parse(seen) as SeenHead;
      store.#wholeSize = store.whole?.size;
      return store;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** The newest head that was seen; none is ever taken below it. */
  get seen(): SeenHead | undefined {
    return this.#seen;
  }

  set seen(seen: SeenHead) {
    this.#setFact('seen', JSON.stringify(seen));
    this.#seen = seen;
  }

  /** The handovers that were learned of: parsed JSON of a `Succession`. */
  get succession(): unknown {
    const text = this.#fact('succession');
    return text === undefined ? undefined : JSON.parse(text);
  }

  set succession(succession: unknown) {
    this.#setFact('succession', JSON.stringify(succession));
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
  addPending(reader: string, items: readonly LightItem[]): void {
    const record = this.#db.prepare(
      `INSERT INTO pending_record VALUES (?, ?, ?, ?, ?, ?) ${mergedRecord}`,
    );
    const proposed = this.#db.prepare(
      'INSERT OR IGNORE INTO pending_record VALUES (?, 0, NULL, NULL, ?, ?)',
    );
    const object = this.#db.prepare(
      `INSERT INTO pending_object VALUES (?, ?, ?, ?, ?, ?, ?) ${newerObject}`,
    );
    const feeds = this.#bitOf(reader);
    this.#hasPending = true;
    inTransaction(this.#db, () => {
      for (const item of items) {
        const { record: own, at, proposal } = item;
        record.run(own.seq, feeds, at, proposal?.seq ?? null, ...this.#pack(own));
        if (proposal !== undefined) proposed.run(proposal.seq, ...this.#pack(proposal));
        for (const { ns, url, obj, op, origin } of effectsOf(item)) {
          object.run(ns, url, obj, own.seq, at, op, origin);
        }
      }
    });
  }

  /** Records that do not belong to a whole are as if they had not come. */
  dropPending(): void {
    if (!this.#hasPending) return;
    this.#db.exec('DELETE FROM pending_record; DELETE FROM pending_object');
    this.#hasPending = false;
    if (this.#hasPendingModels) this.#loadModels();
  }

  /**
   * What is pending counts from now on. A head that differs by its time alone is not worth a write: after
   * a restart it is asked for anew.
   */
  commit({ feeds, ...view }: WholeView, seen: SeenHead): void {
    const isKept = !this.#hasPending && view.size === this.#wholeSize;
    this.#seen = seen;
    if (isKept) return;
    inTransaction(this.#db, () => {
      if (this.#hasPending) this.#takePending();
      this.#setFact('seen', JSON.stringify(seen));
      this.#setFact('whole', JSON.stringify({ ...view, feeds: feeds.map(storedFeed) }));
    });
    this.#wholeSize = view.size;
    this.#hasPending = false;
    this.#hasPendingModels = false;
  }

  #takePending(): void {
    this.#db.exec(`
        INSERT INTO arrival (seq) SELECT seq FROM pending_record AS came WHERE feeds > 0 AND NOT EXISTS
          (SELECT 1 FROM record WHERE seq = came.seq AND feeds > 0) ORDER BY seq;
        INSERT INTO record SELECT * FROM pending_record WHERE true ${mergedRecord};
        INSERT INTO object SELECT * FROM pending_object WHERE true ${newerObject};
        DELETE FROM pending_record;
        DELETE FROM pending_object`);
  }

  /** Current version of an object; undefined when it never was, or is deleted. */
  current({ ns, url, obj }: ObjectName): LightObject | undefined {
    const row = this.#db.prepare(`${selectObjects} AND obj = ?`).get(ns, url, obj);
    return row === undefined ? undefined : this.#objectFrom(row);
  }

  /** Current versions of all objects of a type, by id. */
  *objects(ns: string, url: string): Generator<LightObject> {
    const rows = this.#db.prepare(`${selectObjects} ORDER BY obj`);
    for (const row of rows.iterate(ns, url)) yield this.#objectFrom(row);
  }

  /** Records of a feed as they were signed, by sequence. */
  *records(reader: string): Generator<StoredEntry> {
    const rows = this.#db.prepare(
      'SELECT seq, model, packed FROM record WHERE feeds & ? ORDER BY seq',
    );
    for (const row of rows.iterate(this.#bitOf(reader)))
      yield { seq: Number(row['seq']), ...this.#unpack(row) };
  }

  /** What `arrived` counts in: a store that was begun anew has another. */
  get epoch(): string {
    return this.#fact('epoch') ?? '';
  }

  /** What came in behind a number of `arrived`, in that order. */
  *changes(after: number): Generator<LightArrival> {
    const page = this.#db.prepare(`SELECT arrived, record.*, whole.model AS proposalModel,
      whole.packed AS proposalPacked FROM arrival JOIN record USING (seq)
      LEFT JOIN record AS whole ON whole.seq = record.proposal
      WHERE arrived > ? ORDER BY arrived LIMIT ${changesPage}`);
    // A page at a time: whoever reads may take long, and more may come in meanwhile.
    for (let last = after; ;) {
      const rows = page.all(last);
      for (const row of rows) yield this.#arrivalFrom(row);
      const end = rows.at(-1)?.['arrived'];
      if (end === undefined) return;
      last = Number(end);
    }
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #bitOf(reader: string): number {
    const index = this.#readers.indexOf(reader);
    return index < 0 ? 0 : 2 ** index;
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

  /** The columns `model` and `packed` of a record. */
  #pack({ seq, envelope, leaf, body }: LightRecord): [number | null, Uint8Array] {
    const model = this.#models.get(envelope.url);
    // A record that comes again, as a proposal may, stays what others were packed against.
    if (model !== undefined && model.seq !== seq) {
      return [model.seq, packRecord({ leaf, body }, model.text)];
    }
    this.#addModel(envelope.url, { seq, text: modelText({ leaf, body }) });
    this.#hasPendingModels = true;
    return [null, packRecord({ leaf, body }, undefined)];
  }

  #unpack({ model, packed }: Record<string, SQLOutputValue>): Entry {
    const text = model === null ? undefined : this.#modelTexts.get(Number(model));
    return unpackRecord(packed as Uint8Array, text);
  }

  #addModel(url: string, model: Model): void {
    this.#models.set(url, model);
    this.#modelTexts.set(model.seq, model.text);
  }

  #loadModels(): void {
    this.#hasPendingModels = false;
    this.#models.clear();
    this.#modelTexts.clear();
    const rows = this.#db.prepare('SELECT seq, model, packed FROM record WHERE model IS NULL');
    for (const row of rows.iterate()) {
      const entry = this.#unpack(row);
      this.#addModel(envelopeOf(entry).url, { seq: Number(row['seq']), text: modelText(entry) });
    }
  }

  #objectFrom(row: Record<string, SQLOutputValue>): LightObject {
    const { seq, at } = row;
    const [ns, url, obj] = [String(row['ns']), String(row['url']), String(row['obj'])];
    const own = changeOf(this.#unpack(row));
    const isProposed = own.url === systemUrls.proposal && url !== systemUrls.proposal;
    const value = isProposed ? proposedValue(own.value) : own.value;
    const { version, author } = own;
    return { ns, url, obj, seq: Number(seq), at: Number(at), version, author, value };
  }

  #arrivalFrom(row: Record<string, SQLOutputValue>): LightArrival {
    const { arrived, seq, at, proposal, proposalModel = null, proposalPacked = null } = row;
    const own = this.#unpack(row);
    const changes = [changeOf(own)];
    if (proposal !== null) {
      const whole = this.#unpack({ model: proposalModel, packed: proposalPacked });
      changes.push(proposedChange(changeOf(whole)));
    }
    return { arrived: Number(arrived), seq: Number(seq), at: Number(at), changes };
  }

  #fact(name: string): string | undefined {
    const row = this.#db.prepare('SELECT value FROM fact WHERE name = ?').get(name);
    return row === undefined ? undefined : String(row['value']);
  }

  #setFact(name: string, value: string): void {
    this.#db.prepare('INSERT OR REPLACE INTO fact VALUES (?, ?)').run(name, value);
  }
}

/** A record that others of its type are packed against. */
interface Model {
  readonly seq: number;
  readonly text: ModelText;
}

/** Arrivals that are read at a time. */
const changesPage = 256;

/** Objects with the record that has their payload. */
const selectObjects = `SELECT object.*, model, packed FROM object
  JOIN record ON record.seq = object.origin WHERE ns = ? AND url = ? AND op = 'put'`;

/** Feeds come one after the other, so that of an object an older version may come later. */
const newerObject = `ON CONFLICT DO UPDATE SET seq = excluded.seq, at = excluded.at,
  op = excluded.op, origin = excluded.origin WHERE excluded.seq > seq`;

/** A record may come again: in another feed, or because it is needed once more. */
const mergedRecord = `ON CONFLICT DO UPDATE SET feeds = feeds | excluded.feeds,
  at = coalesce(excluded.at, at), proposal = coalesce(excluded.proposal, proposal)`;

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
