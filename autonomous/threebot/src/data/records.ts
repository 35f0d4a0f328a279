import { GridError, isGridError } from '@commongrid/base';
import type { BcdbClient, ClientFind, ClientObject } from '@commongrid/bcdb/client';
import type { JsonValue } from '@commongrid/crypto';
import { recordTypes } from '@commongrid/model';
import type { BotErrorCode } from '../errors.ts';
import type { DataBook } from './data-book.ts';

/** Objects of BCDB that say what a type is. */
const schemaUrl = 'bcdb.schema.1';

/** Does something with the connection to the database. */
export type UseDatabase = <T>(
  work: (client: BcdbClient, signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
) => Promise<T>;

/** A record as the data API gives it. */
export interface DataRecord {
  readonly id: string;
  readonly type: string;
  readonly value: unknown;
  /** What a change names as `prev` so that it follows this version only. */
  readonly version: string;
  readonly atMs: number;
}

export interface DataPage {
  readonly records: readonly DataRecord[];
  /** Gives the next page; undefined at the end. */
  readonly cursor: string | undefined;
}

export interface RecordName {
  readonly collection: string;
  readonly id: string;
}

export type RecordQuery = Pick<ClientFind, 'where' | 'orderBy' | 'limit' | 'cursor'>;

/** Typed records of a bot: objects of its namespace in the database, by collection. */
export class Records {
  readonly #book: DataBook;
  readonly #use: UseDatabase;

  constructor(book: DataBook, use: UseDatabase) {
    this.#book = book;
    this.#use = use;
  }

  /**
   * Makes a collection. Its type may be one of the model for users, which brings its schema.
   * @throws BOT_TYPE_UNKNOWN, BOT_DATA_UNSET, and what the database refuses a schema with
   */
  async define(
    name: string,
    type: string,
    schema: JsonValue | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const ns = this.#namespace();
    const known = schema ?? schemaOfModel(type);
    if (known === undefined) {
      // Defined by an earlier call, or by other means.
      const there = await this.#read(signal, (client) =>
        client.get(ns, schemaUrl, type, { minSeq: newest(client), signal }),
      );
      if (there === undefined) throw typeUnknown(type);
    } else {
      const value = { url: type, schema: known };
      await this.#use(
        (client) => client.write({ ns, op: 'put', url: schemaUrl, obj: type, value }, { signal }),
        signal,
      );
    }
    this.#book.addCollection({ name, type });
  }

  /** @returns undefined where there is no such record */
  async get({ collection, id }: RecordName, signal: AbortSignal): Promise<DataRecord | undefined> {
    const [ns, url] = [this.#namespace(), this.#typeOf(collection)];
    const found = await this.#read(signal, (client) =>
      client.get(ns, url, id, { minSeq: newest(client), signal }),
    );
    return found?.value === undefined ? undefined : recordOf(found);
  }

  /** @param prev version that it has to follow; else the newest, whatever that is */
  async put(
    { collection, id }: RecordName,
    value: JsonValue,
    prev: string | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly version: string; readonly seq: number }> {
    const put = { ns: this.#namespace(), url: this.#typeOf(collection), obj: id, value } as const;
    const { version, seq } = await this.#use(
      (client) =>
        client.write({ ...put, op: 'put', ...(prev === undefined ? {} : { prev }) }, { signal }),
      signal,
    );
    return { version, seq };
  }

  /** @param isErased also removes what it was, all versions. Resolves to false where there was none. */
  async remove(
    { collection, id }: RecordName,
    isErased: boolean,
    signal: AbortSignal,
  ): Promise<boolean> {
    const name = { ns: this.#namespace(), url: this.#typeOf(collection), obj: id } as const;
    const op = isErased ? 'erase' : 'del';
    const receipt = await this.#read(signal, (client) => client.write({ ...name, op }, { signal }));
    return receipt !== undefined;
  }

  async find(collection: string, query: RecordQuery, signal: AbortSignal): Promise<DataPage> {
    const [ns, url] = [this.#namespace(), this.#typeOf(collection)];
    const { objects, cursor } = await this.#use(
      (client) => client.find(ns, { ...query, url, minSeq: newest(client) }, { signal }),
      signal,
    );
    return { records: objects.map(recordOf), cursor };
  }

  /** @throws BOT_DATA_UNSET */
  #namespace(): string {
    const { namespace } = this.#book;
    if (namespace !== undefined) return namespace;
    throw new GridError<BotErrorCode>('BOT_DATA_UNSET', 'the bot has no place for records yet', {
      hint: 'grid data init',
    });
  }

  /** @throws BOT_OBJECT_UNKNOWN */
  #typeOf(collection: string): string {
    const type = this.#book.typeOf(collection);
    if (type === undefined) throw objectUnknown(collection);
    return type;
  }

  /** Undefined for what is not there. */
  async #read<T>(
    signal: AbortSignal,
    work: (client: BcdbClient) => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await this.#use(work, signal);
    } catch (error) {
      if (isGridError(error, 'BCDB_NOT_FOUND')) return undefined;
      throw error;
    }
  }
}

export function objectUnknown(path: string): GridError<BotErrorCode> {
  return new GridError('BOT_OBJECT_UNKNOWN', `there is no ${path} here`, {
    hint: 'see what there is: grid data ls',
    details: { path },
  });
}

/** Reads count what was written over this connection. */
function newest({ writtenSize }: BcdbClient): number {
  return Math.max(0, writtenSize - 1);
}

function recordOf({ obj, url, value, version, at }: ClientObject): DataRecord {
  return { id: obj, type: url, value, version, atMs: at };
}

function schemaOfModel(type: string): JsonValue | undefined {
  const known = recordTypes.get(type);
  if (known?.namespace !== 'user') return undefined;
  return JSON.parse(JSON.stringify(known.schema)) as JsonValue;
}

function typeUnknown(type: string): GridError<BotErrorCode> {
  return new GridError('BOT_TYPE_UNKNOWN', `${type} is defined nowhere here`, {
    hint: 'give its JSON Schema, or name a type such as grid.note.1',
    details: { type },
  });
}
