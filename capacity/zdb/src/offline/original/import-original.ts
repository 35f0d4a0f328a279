import { statSync } from 'node:fs';
import { GridError } from '@commongrid/base';
import { DEFAULT_NAMESPACE, Namespace, newNamespaceSettings } from '../../engine/namespace.ts';
import type { NamespaceSettings } from '../../engine/namespace.ts';
import type { ZdbErrorCode } from '../../errors.ts';
import { BulkWriter } from '../bulk-writer.ts';
import type { BulkNamespace } from '../bulk-writer.ts';
import { importExists } from '../import-folder.ts';
import { isFreeFolder, NewFolder } from '../new-folder.ts';
import { onFolder, Work } from '../work.ts';
import type { WorkOptions } from '../work.ts';
import { findNamespaces, readDataFile } from './read-original.ts';
import type {
  OriginalEntry,
  OriginalFinding,
  OriginalFolders,
  OriginalSource,
} from './read-original.ts';

export interface ImportOriginalOptions extends WorkOptions {
  /** Imports what is sound of damaged files. A damaged payload becomes a deletion. Default false. */
  readonly acceptLoss?: boolean;
  /** New names: name in the original -> name in the folder. */
  readonly renames?: ReadonlyMap<string, string>;
}

export interface ImportedOriginal {
  readonly name: string;
  readonly mode: 'user' | 'seq';
  readonly values: number;
  readonly deletions: number;
}

export interface ImportOriginalResult {
  readonly namespaces: readonly ImportedOriginal[];
  readonly findings: readonly OriginalFinding[];
}

const REPORT_BYTES = 4 * 1024 * 1024;

/**
 * Reads the folders of an original 0-db, with all history, into a new folder or beside the
 * namespaces of a store: all of it or nothing. The original must not run meanwhile.
 * @throws ZDB_ORIGINAL_CORRUPT (details.findings), ZDB_IMPORT_EXISTS, BASE_FOLDER_LOCKED
 */
export async function importOriginal(
  source: OriginalFolders,
  folder: string,
  options: ImportOriginalOptions = {},
): Promise<ImportOriginalResult> {
  const sources = findNamespaces(source);
  if (isFreeFolder(folder)) {
    await using place = await NewFolder.begin(folder);
    const result = await readInto(sources, place.path, true, options);
    await place.commit();
    return result;
  }
  return onFolder(folder, () => readInto(sources, folder, false, options));
}

async function readInto(
  sources: readonly OriginalSource[],
  folder: string,
  isNewFolder: boolean,
  options: ImportOriginalOptions,
): Promise<ImportOriginalResult> {
  const writer = await BulkWriter.open(folder);
  try {
    const findings = sources.flatMap((source) => source.findings);
    const settings = await newSettings(writer, sources, isNewFolder, options);
    const work = new Work(options, totalBytes(sources));
    const namespaces: BulkNamespace[] = [];
    const imported: ImportedOriginal[] = [];
    for (const [i, source] of sources.entries()) {
      const own = settings[i];
      if (own === undefined) continue;
      const job = new NamespaceImport(writer, own, source);
      await job.run(work, (finding) => findings.push(finding));
      namespaces.push({ settings: own, nextId: job.nextId });
      const { values, deletions } = job;
      imported.push({ name: own.name, mode: source.mode, values, deletions });
    }
    refuseDamage(findings, options.acceptLoss ?? false);
    await writer.finish(namespaces);
    return { namespaces: imported, findings };
  } finally {
    await writer.close();
  }
}

/** Settings for each source; undefined for an empty default namespace that the folder has already. */
async function newSettings(
  writer: BulkWriter,
  sources: readonly OriginalSource[],
  isNewFolder: boolean,
  options: ImportOriginalOptions,
): Promise<(NamespaceSettings | undefined)[]> {
  const { store } = writer;
  const names = sources.map(({ settings: { name } }) => options.renames?.get(name) ?? name);
  const ids = await writer.reserveIds(sources.length);
  return sources.map((source, i) => {
    const name = names[i] ?? '';
    const isOwnDefault = name === 'default' && names.indexOf(name) === i;
    const isTaken = store.namespaces.get(name) !== undefined || names.indexOf(name) !== i;
    if (isTaken && !(isNewFolder && isOwnDefault)) {
      if (isOwnDefault && source.dataFiles.every((file) => statSync(file).size <= 28)) {
        return undefined;
      }
      throw importExists(name);
    }
    const id = isNewFolder && isOwnDefault ? DEFAULT_NAMESPACE : (ids[i] ?? 0);
    const { password, maxBytes, isPublic, isWorm } = source.settings;
    return {
      ...newNamespaceSettings(id, name, source.mode, store.nowSeconds() * 1000),
      ...{ password, maxBytes, isPublic, isWorm },
      // The original keeps everything; compaction must not drop it unasked.
      history: { keep: 'all', limit: 0 },
    };
  });
}

class NamespaceImport {
  values = 0;
  deletions = 0;
  nextId: number;
  readonly #writer: BulkWriter;
  readonly #namespace: Namespace;
  readonly #source: OriginalSource;

  constructor(writer: BulkWriter, settings: NamespaceSettings, source: OriginalSource) {
    this.#writer = writer;
    // Not known to the store until all is there, and not to be stopped by its own limits.
    this.#namespace = new Namespace({ ...settings, maxBytes: 0 });
    this.#source = source;
    this.nextId = source.nextId;
  }

  async run(work: Work, onFinding: (finding: OriginalFinding) => void): Promise<void> {
    const { dataFiles } = this.#source;
    let bytes = 0;
    for (const [i, file] of dataFiles.entries()) {
      for (const entry of readDataFile(file, i === dataFiles.length - 1, onFinding)) {
        await this.#take(entry);
        bytes += entry.bytes;
        if (bytes < REPORT_BYTES) continue;
        await work.step(bytes);
        bytes = 0;
      }
    }
    await work.step(bytes);
  }

  async #take(entry: OriginalEntry): Promise<void> {
    const { key, value, timeSeconds } = entry;
    const { store } = this.#writer;
    const namespace = this.#namespace;
    if (this.#source.mode === 'seq' && key.length === 8) {
      this.nextId = Math.max(this.nextId, Number(key.readBigUInt64LE()) + 1);
    }
    if (entry.isDeletion || entry.isDamaged) {
      const done = await store.retrying(() =>
        store.delete(namespace, key, 0, key.length, timeSeconds),
      );
      if (done === 'deleted') this.deletions++;
    } else {
      const all = Buffer.concat([key, value]);
      const done = await store.retrying(() =>
        store.set(namespace, all, 0, key.length, key.length, value.length, timeSeconds),
      );
      if (done === 'written') this.values++;
    }
    await this.#writer.sealFull();
  }
}

function refuseDamage(findings: readonly OriginalFinding[], acceptLoss: boolean): void {
  const damage = findings.filter(({ what }) => what !== 'torn-tail');
  const [first] = damage;
  if (first === undefined || acceptLoss) return;
  throw new GridError<ZdbErrorCode>(
    'ZDB_ORIGINAL_CORRUPT',
    `${first.text}${damage.length > 1 ? `, and ${damage.length - 1} more` : ''}; nothing was imported`,
    { hint: '--accept-loss imports what is sound', details: { findings: damage.slice(0, 100) } },
  );
}

function totalBytes(sources: readonly OriginalSource[]): number {
  const files = sources.flatMap(({ dataFiles }) => dataFiles);
  return files.reduce((sum, file) => sum + statSync(file).size, 0);
}
