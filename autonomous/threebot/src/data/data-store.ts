import type { Static } from 'typebox';
import type { Caller } from '../actors/caller.ts';
import type { DataBook } from './data-book.ts';
import { mayUse, mayUseAll, requireRight } from './data-rights.ts';
import type { DataRight } from './data-rights.ts';
import type { entryPage, found } from './data-shapes.ts';
import { urlSecondsDefault } from './files.ts';
import type { Files } from './files.ts';
import { filesRoot, requireDataPath, splitDataPath } from './grid-address.ts';
import { objectUnknown } from './records.ts';
import type { Records } from './records.ts';

export type Found = Static<typeof found>;
export type EntryPage = Static<typeof entryPage>;

/** Records of one page of a list. */
const recordsPageMax = 100;

/** The data of a bot as callers may see it: each way to it goes through `require`. */
export class DataStore {
  readonly book: DataBook;
  readonly records: Records;
  readonly files: Files;

  constructor(parts: {
    readonly book: DataBook;
    readonly records: Records;
    readonly files: Files;
  }) {
    this.book = parts.book;
    this.records = parts.records;
    this.files = parts.files;
  }

  /** @throws BOT_NOT_PERMITTED, BOT_ADDRESS_INVALID */
  require(caller: Caller, right: DataRight, path: string): void {
    requireDataPath(path);
    requireRight(mayUse(caller, right, path, this.book.rules()), right, path);
  }

  /** The same for all below the path. */
  requireAll(caller: Caller, right: DataRight, path: string): void {
    requireDataPath(path);
    requireRight(mayUseAll(caller, right, path, this.book.rules()), right, path);
  }

  /** @throws BOT_NOT_PERMITTED, BOT_OBJECT_UNKNOWN */
  async resolve(caller: Caller, path: string, signal: AbortSignal): Promise<Found> {
    this.require(caller, 'read', path);
    const { root, rest } = splitDataPath(path);
    if (rest === '') throw objectUnknown(path);
    if (root !== filesRoot) {
      const record = await this.records.get({ collection: root, id: rest }, signal);
      if (record === undefined) throw objectUnknown(path);
      return { kind: 'record', ...record };
    }
    const facts = await this.files.facts(rest, signal);
    if (facts === undefined) throw objectUnknown(path);
    const url = this.files.urlOf(rest, 'GET');
    return { kind: 'file', url, urlSeconds: urlSecondsDefault, ...facts };
  }

  /**
   * What is right below a path: without one, what a caller may list.
   * @throws BOT_NOT_PERMITTED, BOT_OBJECT_UNKNOWN
   */
  async list(
    caller: Caller,
    path: string,
    cursor: string | undefined,
    signal: AbortSignal,
  ): Promise<EntryPage> {
    if (path === '') return this.#roots(caller);
    const { root, rest } = splitDataPath(path);
    this.requireAll(caller, 'read', path);
    if (root === filesRoot) {
      const page = await this.files.list(rest === '' ? '' : `${rest}/`, cursor, signal);
      const entries = page.entries.map(({ key, sizeBytes }) => ({
        path: `${filesRoot}/${key}`,
        ...(sizeBytes === undefined ? {} : { sizeBytes }),
      }));
      return { entries, ...(page.cursor === undefined ? {} : { cursor: page.cursor }) };
    }
    if (rest !== '') throw objectUnknown(path);
    const query = { limit: recordsPageMax, ...(cursor === undefined ? {} : { cursor }) };
    const page = await this.records.find(root, query, signal);
    const entries = page.records.map(({ id }) => ({ path: `${root}/${id}` }));
    return { entries, ...(page.cursor === undefined ? {} : { cursor: page.cursor }) };
  }

  #roots(caller: Caller): EntryPage {
    const rules = this.book.rules();
    const roots = [
      ...this.book.collections().map(({ name }) => name),
      ...(this.book.files === undefined ? [] : [filesRoot]),
    ];
    const open = roots.filter((root) => mayUseAll(caller, 'read', root, rules));
    return { entries: open.map((root) => ({ path: `${root}/` })) };
  }
}
