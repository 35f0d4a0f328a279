import type { JsonValue } from '@commongrid/crypto';
import { systemUrls } from '../record/system-records.ts';
import { isAdministrative, isSystem } from './administrative.ts';
import { changed } from './layered-store.ts';
import type { Layer, LayeredStore } from './layered-store.ts';

/** Where an object is. */
export interface ObjectName {
  readonly ns: string;
  readonly url: string;
  readonly obj: string;
}

/** The newest version of an object. */
export interface ObjectHead {
  /** Sequence of the record that made it take effect. */
  readonly seq: number;
  /** Leaf hash of the record with the change, base64url. */
  readonly version: string;
  /** False once it was deleted; its versions go on if it is made again. */
  readonly isLive: boolean;
}

/** What is known of a key that signed a record. */
export interface AuthorState {
  /** Number of this author in this log; shorter than its key. */
  readonly id: number;
  /** Counter of its last record. */
  readonly n: number;
}

/** A record as its author's counter has it. */
export interface CountedRecord {
  /** Number of the author, where it is known. */
  readonly id: number | undefined;
  readonly n: number;
  readonly seq: number;
}

/** An object that the rules themselves read: its payload is part of the state. */
export interface Document<T> {
  readonly seq: number;
  readonly version: string;
  readonly value: T;
}

/** Why a record in the log did nothing, or whose proposal took effect with it. */
export interface RecordException {
  /** Code of the rule that it broke. */
  readonly refusal?: string;
  /** Sequence of the proposal that it completed. */
  readonly origin?: number;
}

/** What others than the rules may read of a state. */
export type StateReader = Pick<
  StateView,
  'head' | 'author' | 'sequenceOf' | 'document' | 'documents' | 'exception' | 'namespaces'
>;

/** A version whose payload is not here, though nothing says that it was erased. */
export interface MissingPayload {
  /** What `missing` goes on behind. */
  readonly key: string;
  readonly seq: number;
}

/**
 * The state as one record finds it: everything before it in the log, and what it changed so far.
 * `takeChanges` ends the record; `dropChanges` makes it as if it had not been.
 *
 * Keys of the store, words apart by spaces, which no name contains:
 *
 *     a KEY               author           {id, n}
 *     n AUTHOR-ID N       sequence of the author's record N
 *     h NS URL OBJ        object head      [seq, version, isLive]
 *     d NS URL OBJ        document         {seq, version, value}
 *     u NS URL FIELD HASH object that holds a unique value
 *     u. NS URL OBJ       unique values that an object holds
 *     x SEQ               record that did something else than it says
 *     w NS URL OBJ SEQ    version whose payload is not here, and not known to be erased
 *     m NAME              one fact: next author id, log time, …
 *     i NAME ...          index of documents: open proposals by deadline, …
 *     f...                feeds, and who names whom: see feeds.ts and name-index.ts
 */
export class StateView {
  readonly #store: LayeredStore;
  /** Changes of the batch, and those of the record under way. */
  #batch = new Map<string, string | undefined>();
  #record = new Map<string, string | undefined>();
  readonly #parsed = new Map<
    string,
    { readonly text: string; readonly value: Document<unknown> }
  >();
  #generation = 0;
  #drops = 0;
  /** How often administrative documents changed, by namespace. */
  readonly #documentChanges = new Map<string, number>();
  /** Namespaces whose documents the record under way changed, and whether it called `touch`. */
  readonly #changed = new Set<string>();
  #isTouched = false;
  #spaceChanges = 0;
  #namespaces: { readonly generation: string; readonly names: readonly string[] } | undefined;

  constructor(store: LayeredStore) {
    this.#store = store;
  }

  /** Grows whenever what access rests on changes: what was worked out from it is stale then. */
  get generation(): number {
    return this.#generation;
  }

  /** How often changes that had counted were dropped: what was worked out from them is wrong. */
  get drops(): number {
    return this.#drops;
  }

  /** What was worked out from documents is stale, for a reason that is no document. */
  touch(): void {
    this.#isTouched = true;
    this.#generation++;
  }

  /** Another text whenever administrative documents of a namespace change. */
  documentGeneration(ns: string): string {
    return `${this.#drops} ${this.#documentChanges.get(ns) ?? 0}`;
  }

  head(name: ObjectName): ObjectHead | undefined {
    const text = this.#get(`h ${path(name)}`);
    if (text === undefined) return undefined;
    const [seq = '', version = '', isLive] = text.split(' ');
    return { seq: Number(seq), version, isLive: isLive === '1' };
  }

  setHead(name: ObjectName, { seq, version, isLive }: ObjectHead): void {
    this.#set(`h ${path(name)}`, `${seq} ${version} ${isLive ? 1 : 0}`);
  }

  author(key: string): AuthorState | undefined {
    const text = this.#get(`a ${key}`);
    if (text === undefined) return undefined;
    const [id, n] = text.split(' ');
    return { id: Number(id), n: Number(n) };
  }

  /** Counts a record of an author; one that has no number yet is given one. */
  setAuthor(key: string, { id = this.#nextAuthorId(), n, seq }: CountedRecord): void {
    this.#set(`a ${key}`, `${id} ${n}`);
    this.#set(`n ${id} ${n}`, String(seq));
  }

  /** Sequence of record `n` of an author. */
  sequenceOf(key: string, n: number): number | undefined {
    const author = this.author(key);
    const text = author && this.#get(`n ${author.id} ${n}`);
    return text === undefined ? undefined : Number(text);
  }

  /** The document of a live object of a type that the rules read. */
  document<T>(name: ObjectName): Document<T> | undefined {
    const key = `d ${path(name)}`;
    const text = this.#get(key);
    return text === undefined ? undefined : this.#parse<T>(key, text);
  }

  /** All documents of a type in a namespace, by object id. */
  documents<T>(ns: string, url: string): ReadonlyMap<string, Document<T>> {
    const prefix = `d ${ns} ${url} `;
    const found = new Map<string, Document<T>>();
    for (const [key, text] of this.#scan(prefix)) {
      found.set(key.slice(prefix.length), this.#parse<T>(key, text));
    }
    return found;
  }

  /** Names of the namespaces. */
  namespaces(): readonly string[] {
    const generation = `${this.#drops} ${this.#spaceChanges}`;
    if (this.#namespaces?.generation !== generation) {
      const names = [...this.#scan('d ').keys()].flatMap((key) => {
        const [, ns = '', url] = key.split(' ');
        return url === systemUrls.namespace ? [ns] : [];
      });
      this.#namespaces = { generation, names };
    }
    return this.#namespaces.names;
  }

  setDocument(name: ObjectName, document: Document<JsonValue> | undefined): void {
    const key = `d ${path(name)}`;
    const text = document === undefined ? undefined : JSON.stringify(document);
    this.#set(key, text);
    // A payload came from such a text itself, so that nobody has to parse it again.
    if (document !== undefined && text !== undefined && !isSystem(name.url)) {
      this.#keepParsed(key, text, document);
    }
    if (!isAdministrative(name.url)) return;
    this.#changed.add(name.ns);
    this.#forgetChanged();
  }

  /** Object that holds a unique value; the value is given as its hash. */
  holderOf(ns: string, url: string, field: string, hash: string): string | undefined {
    return this.#get(`u ${ns} ${url} ${field} ${hash}`);
  }

  setHolder(
    { ns, url }: Pick<ObjectName, 'ns' | 'url'>,
    field: string,
    hash: string,
    obj: string | undefined,
  ): void {
    this.#set(`u ${ns} ${url} ${field} ${hash}`, obj);
  }

  /** The unique values that an object holds, as text of the caller. */
  uniquesOf(name: ObjectName): string | undefined {
    return this.#get(`u. ${path(name)}`);
  }

  setUniquesOf(name: ObjectName, text: string | undefined): void {
    this.#set(`u. ${path(name)}`, text);
  }

  fact(name: string): string | undefined {
    return this.#get(factKeys.get(name) ?? `m ${name}`);
  }

  setFact(name: string, value: string | undefined): void {
    this.#set(factKeys.get(name) ?? `m ${name}`, value);
  }

  /** What of a record's effects its own words do not tell. */
  exception(seq: number): RecordException | undefined {
    const text = this.#get(`x ${seq}`);
    return text === undefined ? undefined : (JSON.parse(text) as RecordException);
  }

  setException(seq: number, exception: RecordException): void {
    this.#set(`x ${seq}`, JSON.stringify(exception));
  }

  /** Notes that the payload of a version is not here: it was erased since, or it is withheld. */
  addMissing(name: ObjectName, seq: number): void {
    this.#set(`w ${path(name)} ${seq}`, '1');
  }

  /** The object is erased: nothing of it is missing. */
  settleMissing(name: ObjectName): void {
    for (const key of this.#scan(`w ${path(name)} `).keys()) this.#set(key, undefined);
  }

  /** Payloads that are missing by what is durable, by object: some of them, from behind a key on. */
  missing(max: number, after = 'w '): readonly MissingPayload[] {
    const keys = this.#store.sunkKeys('w ', { after, max });
    return keys.map((key) => ({ key, seq: Number(key.slice(key.lastIndexOf(' ') + 1)) }));
  }

  /** An ordered index; `key` holds words that sort as they should. */
  setIndex(name: string, key: string, value: string | undefined): void {
    this.#set(`i ${name} ${key}`, value);
  }

  /** Entries of an index, by key. */
  index(name: string): ReadonlyMap<string, string> {
    const prefix = `i ${name} `;
    const entries = [...this.#scan(prefix)];
    return new Map(entries.map(([key, value]) => [key.slice(prefix.length), value]));
  }

  /** The first key of an index, without a look at the others. */
  firstOf(name: string): string | undefined {
    const prefix = `i ${name} `;
    return this.#store.firstKey(prefix, [this.#batch, this.#record])?.slice(prefix.length);
  }

  /** An entry of the feeds; follows from records, so it is no part of the digest. */
  feedEntry(key: string): string | undefined {
    return this.#get(`f${key}`);
  }

  setFeedEntry(key: string, value: string | undefined): void {
    this.#set(`f${key}`, value);
  }

  /** How far all feeds have come, by reader. */
  feedHeads(): ReadonlyMap<string, string> {
    const prefix = 'fh ';
    const entries = [...this.#scan(prefix)];
    return new Map(entries.map(([key, value]) => [key.slice(prefix.length), value]));
  }

  /** Looks at the state as it was before the record under way. */
  asBefore<T>(look: () => T): T {
    const changes = this.#record;
    this.#record = new Map();
    try {
      return look();
    } finally {
      this.#record = changes;
    }
  }

  /** Ends a record: its changes count for the next one. Returns them, by key. */
  takeChanges(): Layer {
    const changes = this.#record;
    for (const [key, value] of changes) this.#batch.set(key, value);
    this.#endRecord();
    return changes;
  }

  /** Forgets what the record under way changed. */
  dropChanges(): void {
    // Most records that are refused changed nothing that anything was worked out from.
    if (this.#changed.size > 0 || this.#isTouched) this.#forgetChanged();
    this.#endRecord();
  }

  /** What the record under way has changed so far, to come back to with `backTo`. */
  mark(): Layer {
    return new Map(this.#record);
  }

  backTo(mark: Layer): void {
    this.#record = new Map(mark);
    this.#forgetChanged();
  }

  /** Ends a batch: hands its changes to the store, above those of batches before. */
  pushBatch(): void {
    this.#store.push(this.#batch);
    this.#batch = new Map();
  }

  /** Forgets the batch under way. */
  dropBatch(): void {
    this.#endRecord();
    this.#batch.clear();
    this.#drops++;
    this.#generation++;
  }

  #endRecord(): void {
    this.#record = new Map();
    this.#changed.clear();
    this.#isTouched = false;
  }

  /** What was worked out from what the record under way changed is stale. */
  #forgetChanged(): void {
    this.#generation++;
    if (this.#changed.size > 0) this.#spaceChanges++;
    for (const ns of this.#changed) {
      this.#documentChanges.set(ns, (this.#documentChanges.get(ns) ?? 0) + 1);
    }
  }

  #get(key: string): string | undefined {
    for (const changes of [this.#record, this.#batch]) {
      const value = changes.get(key);
      if (value !== undefined || changes.has(key)) return value;
    }
    return this.#store.get(key);
  }

  #set(key: string, value: string | undefined): void {
    this.#record.set(key, value);
  }

  #scan(prefix: string): ReadonlyMap<string, string> {
    return changed(new Map(this.#store.scan(prefix)), prefix, [this.#batch, this.#record]);
  }

  #parse<T>(key: string, text: string): Document<T> {
    const known = this.#parsed.get(key);
    if (known?.text === text) return known.value as Document<T>;
    const value = JSON.parse(text) as Document<T>;
    this.#keepParsed(key, text, value);
    return value;
  }

  #keepParsed(key: string, text: string, value: Document<unknown>): void {
    if (this.#parsed.size >= parsedDocumentsMax) this.#parsed.clear();
    this.#parsed.set(key, { text, value });
  }

  #nextAuthorId(): number {
    const next = Number(this.fact('author-id') ?? 0) + 1;
    this.setFact('author-id', String(next));
    return next;
  }
}

/** Facts that each record asks for: a key that is always the same text is found sooner. */
const factKeys: ReadonlyMap<string, string> = new Map(
  ['at', 'digest', 'head', 'tick'].map((name) => [name, `m ${name}`]),
);

/** Documents that are kept parsed; beyond it all are forgotten and parsed again when needed. */
const parsedDocumentsMax = 20_000;

function path({ ns, url, obj }: ObjectName): string {
  return `${ns} ${url} ${obj}`;
}
