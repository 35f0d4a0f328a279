import { statSync } from 'node:fs';
import { GridError } from '@commongrid/base';
import { DEFAULT_NAMESPACE } from '../engine/namespace.ts';
import type { ZdbErrorCode } from '../errors.ts';
import { BulkWriter } from './bulk-writer.ts';
import type { BulkNamespace } from './bulk-writer.ts';
import { dumpCorrupt } from './dump-format.ts';
import type { DumpNamespace, DumpRecord } from './dump-format.ts';
import { readDump } from './dump-reader.ts';
import { isFreeFolder, NewFolder } from './new-folder.ts';
import { onFolder, Work } from './work.ts';
import type { WorkOptions } from './work.ts';

export interface ImportOptions extends WorkOptions {
  /** New names: name in the dump -> name in the folder. */
  readonly renames?: ReadonlyMap<string, string>;
}

export interface ImportResult {
  readonly namespaces: readonly string[];
  readonly records: number;
  /** True when the folder was new: sequences and numbers are those of the dump. */
  readonly isNewFolder: boolean;
}

/**
 * Reads a dump into a folder: all of it or nothing, also when the process dies. An empty folder gets
 * the same sequences and namespace numbers as the dump; in one that holds a store the namespaces must
 * be new, their records come after all others, and sequences are moved by one distance.
 * @throws ZDB_DUMP_CORRUPT, ZDB_DUMP_NEWER, ZDB_IMPORT_EXISTS, BASE_FOLDER_LOCKED
 */
export async function importFolder(
  dump: string,
  folder: string,
  options: ImportOptions = {},
): Promise<ImportResult> {
  if (isFreeFolder(folder)) {
    await using place = await NewFolder.begin(folder);
    const result = await readInto(dump, place.path, true, options);
    await place.commit();
    return result;
  }
  return onFolder(folder, () => readInto(dump, folder, false, options));
}

async function readInto(
  dump: string,
  folder: string,
  isNewFolder: boolean,
  options: ImportOptions,
): Promise<ImportResult> {
  const writer = await BulkWriter.open(folder);
  try {
    const job = new Import(writer, isNewFolder, options.renames ?? new Map());
    const work = new Work(options, statSync(dump).size);
    let bytes = 0;
    for await (const step of readDump(dump)) {
      const { line } = step;
      if ('namespace' in line) job.addNamespace(line.namespace);
      else if ('record' in line) await job.addRecord(line.record);
      bytes += step.bytes;
      if (bytes > REPORT_BYTES) {
        await work.step(bytes);
        bytes = 0;
      }
    }
    return await job.finish();
  } finally {
    await writer.close();
  }
}

const REPORT_BYTES = 4 * 1024 * 1024;

class Import {
  readonly #writer: BulkWriter;
  readonly #isNewFolder: boolean;
  readonly #renames: ReadonlyMap<string, string>;
  /** By their number in the dump. */
  readonly #namespaces = new Map<number, BulkNamespace>();
  /** What is added to every sequence; known at the first record. */
  #shift: number | undefined;
  #records = 0;
  #expected = 0;

  constructor(writer: BulkWriter, isNewFolder: boolean, renames: ReadonlyMap<string, string>) {
    this.#writer = writer;
    this.#isNewFolder = isNewFolder;
    this.#renames = renames;
  }

  addNamespace({ settings, nextId, records }: DumpNamespace): void {
    const name = this.#renames.get(settings.name) ?? settings.name;
    const isTaken = this.#writer.store.namespaces.get(name) !== undefined;
    const isTwice = [...this.#namespaces.values()].some((one) => one.settings.name === name);
    if (isTwice || (isTaken && !(this.#isNewFolder && name === 'default'))) {
      // Every store has the default namespace: an empty one brings nothing.
      if (!isTwice && name === 'default' && records === 0) return;
      throw importExists(name);
    }
    this.#expected += records;
    this.#namespaces.set(settings.id, { settings: { ...settings, name }, nextId });
  }

  async addRecord(record: DumpRecord): Promise<void> {
    this.#shift ??= await this.#begin(record);
    const namespace = this.#namespaces.get(record.namespaceId);
    if (namespace === undefined) {
      throw dumpCorrupt(1, `record ${record.sequence} belongs to no namespace of it`);
    }
    const shift = this.#shift;
    await this.#writer.append({
      ...record,
      namespaceId: namespace.settings.id,
      sequence: record.sequence + shift,
      previous: record.previous === 0 ? 0 : record.previous + shift,
    });
    this.#records++;
  }

  /** Gives the namespaces their numbers; returns by how much sequences are moved. */
  async #begin(first: DumpRecord | undefined): Promise<number> {
    await this.#giveNumbers();
    const { lastSequence } = this.#writer.store.log;
    if (first === undefined || (this.#isNewFolder && first.sequence > lastSequence)) return 0;
    return lastSequence;
  }

  async #giveNumbers(): Promise<void> {
    if (this.#isNewFolder) {
      const renamed = this.#namespaces.get(DEFAULT_NAMESPACE);
      if (renamed === undefined || renamed.settings.name === 'default') return;
      // Its number belongs to the namespace that every folder has.
      const id = Math.max(...this.#namespaces.keys()) + 1;
      this.#namespaces.set(DEFAULT_NAMESPACE, {
        settings: { ...renamed.settings, id },
        nextId: renamed.nextId,
      });
      return;
    }
    const ids = await this.#writer.reserveIds(this.#namespaces.size);
    for (const [dumpId, { settings, nextId }] of this.#namespaces) {
      const id = ids.shift() ?? 0;
      this.#namespaces.set(dumpId, { settings: { ...settings, id }, nextId });
    }
  }

  async finish(): Promise<ImportResult> {
    this.#shift ??= await this.#begin(undefined);
    if (this.#records !== this.#expected) {
      throw dumpCorrupt(1, `${this.#expected} records were announced, ${this.#records} came`);
    }
    const namespaces = [...this.#namespaces.values()];
    await this.#writer.finish(namespaces);
    return {
      namespaces: namespaces.map(({ settings }) => settings.name),
      records: this.#records,
      isNewFolder: this.#isNewFolder,
    };
  }
}

export function importExists(name: string): GridError<ZdbErrorCode> {
  return new GridError('ZDB_IMPORT_EXISTS', `the folder has a namespace ${name} already`, {
    hint: `give it another name: --rename ${name}=NEW`,
    details: { name },
  });
}
