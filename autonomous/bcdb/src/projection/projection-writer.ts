import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { GridError, inTransaction, isGridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import type { Effect, EffectBatch } from '../state/effect.ts';
import {
  buildingFile,
  checkFile,
  finishBuilding,
  indexFile,
  isBuildingFile,
  namespaceFile,
  namespaceOf,
  openWritable,
  removeFile,
} from './namespace-file.ts';
import { NamespaceWriter } from './namespace-writer.ts';

export interface ProjectionWriterOptions {
  /** Folder of its own. */
  readonly folder: string;
  /** Whether each page of each file is read at the start. Default true. */
  readonly isChecked?: boolean;
}

/** How far one file is. */
export interface NamespaceState {
  readonly ns: string;
  readonly applied: number;
  /** Root of the log at that size; undefined in an empty file. */
  readonly root: Uint8Array | undefined;
}

/** Most files that are open for writing at a time. */
const openNamespacesMax = 64;

/** Most files that are open while files are built: each can have 128 MiB of pages in memory. */
const openBuildingMax = 16;

/**
 * Keeps a file per namespace and an index of them.
 *
 * A batch is committed in three steps: 1. one transaction in the file of each namespace that it
 * touches; 2. one in the index, which names the size of the log and, for each namespace, the
 * size that its last effect needs; 3. the new size is announced. Nothing is fsynced on the way, so
 * that after a loss of power any file can lack its last transactions. A file that is behind what
 * the index says of it lost some; an index that is behind lost its own. In both cases the effects from
 * there on are asked for again, and each file skips what it has.
 *
 * From the start, and from each `discard`, until `settle` is called, a file that is not there is built
 * under another name and without a journal that outlives the process. `settle` finishes it; nobody
 * reads it before, and what was not finished is thrown away at the next start.
 */
export class ProjectionWriter implements Disposable {
  readonly #folder: string;
  readonly #index: DatabaseSync;
  readonly #setNamespace: StatementSync;
  readonly #setSize: StatementSync;
  /** In order of use: the first was used longest ago. */
  readonly #open = new Map<string, NamespaceWriter>();
  readonly #applied: Map<string, number>;
  /** Why files were thrown away at the start. */
  readonly findings: readonly string[];
  #size: number;
  #isSettled = false;
  /** Namespaces whose files are being built. */
  readonly #building = new Set<string>();

  private constructor(
    folder: string,
    index: DatabaseSync,
    size: number,
    applied: Map<string, number>,
    findings: readonly string[],
  ) {
    this.#folder = folder;
    this.#index = index;
    this.#size = size;
    this.#applied = applied;
    this.#setNamespace = index.prepare(`INSERT INTO namespaces (ns, applied) VALUES (?, ?)
      ON CONFLICT (ns) DO UPDATE SET applied = max(applied, excluded.applied)`);
    this.#setSize = index.prepare('UPDATE head SET size = max(size, ?)');
    this.findings = findings;
  }

  /** Opens the folder. Files that are damaged or of another version are removed, and made anew. */
  static open({ folder, isChecked = true }: ProjectionWriterOptions): ProjectionWriter {
    mkdirSync(folder, { recursive: true });
    const findings: string[] = [];
    for (const name of readdirSync(folder)) {
      if (isBuildingFile(name)) removeFile(join(folder, name));
    }
    const files = readdirSync(folder).filter((name) => namespaceOf(name) !== undefined);
    const paths = files.map((name) => namespaceFile(folder, namespaceOf(name) ?? ''));
    for (const path of [indexFile(folder), ...paths]) {
      if (isChecked && existsSync(path)) discardDamaged(path, findings);
    }
    const index = openWritable(indexFile(folder), indexTables);
    const applied = new Map<string, number>();
    for (const { ns, applied: size } of index.prepare('SELECT * FROM namespaces').all()) {
      applied.set(String(ns), Number(size));
    }
    const size = Number(index.prepare('SELECT size FROM head').get()?.['size'] ?? 0);
    const writer = new ProjectionWriter(folder, index, size, applied, findings);
    writer.#size = writer.#resumeSize();
    return writer;
  }

  /** Every namespace with a file or an entry in the index. */
  states(): readonly NamespaceState[] {
    const names = readdirSync(this.#folder).flatMap((name) => namespaceOf(name) ?? []);
    return names.map((ns) => {
      const { applied, root } = this.#namespace(ns);
      return { ns, applied, root };
    });
  }

  /** Size of the log up to which every file is complete. */
  get size(): number {
    return this.#size;
  }

  /** Size of the log up to which every file can be read; undefined while files are built. */
  get readableSize(): number | undefined {
    return this.#building.size === 0 ? this.#size : undefined;
  }

  /** Applies a batch that begins at or below `size`. */
  apply(batch: EffectBatch): void {
    if (batch.from > this.#size) throw gap(this.#size, batch.from);
    const byNamespace = new Map<string, Effect[]>();
    for (const effect of batch.effects) {
      const effects = byNamespace.get(effect.ns);
      if (effects === undefined) byNamespace.set(effect.ns, [effect]);
      else effects.push(effect);
    }
    const { size, root } = batch;
    for (const [ns, effects] of byNamespace) {
      this.#namespace(ns).apply({ size, root, effects });
    }
    this.#commit(size, byNamespace);
  }

  /**
   * Work that can wait until there is nothing else to do: some milliseconds of merging the words of
   * a namespace. False when there is none left.
   */
  mergeText(): boolean {
    for (const writer of this.#open.values()) if (writer.mergeText()) return true;
    return false;
  }

  /**
   * Throws the file of a namespace away; `size` falls to where it must be filled from. `settle` has
   * to follow once it was.
   */
  discard(ns: string): void {
    this.#close(ns);
    this.#building.delete(ns);
    const path = namespaceFile(this.#folder, ns);
    removeFile(path);
    removeFile(buildingFile(path));
    this.#isSettled = false;
    this.#size = this.#resumeSize();
  }

  /** Lets what was built be read. */
  settle(): void {
    for (const ns of this.#building) {
      this.#close(ns);
      finishBuilding(namespaceFile(this.#folder, ns));
      this.#building.delete(ns);
      // Open from now on, for words that are merged when nothing comes.
      this.#namespace(ns);
    }
    this.#isSettled = true;
  }

  close(): void {
    this.settle();
    for (const ns of this.#open.keys()) this.#close(ns);
    if (this.#index.isOpen) this.#index.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #commit(size: number, byNamespace: ReadonlyMap<string, readonly Effect[]>): void {
    if (size <= this.#size) return;
    inTransaction(this.#index, () => {
      for (const [ns, effects] of byNamespace) {
        // Not `size`: batches that are made again can end elsewhere.
        const applied = (effects.at(-1)?.seq ?? 0) + 1;
        this.#setNamespace.run(ns, applied);
        this.#applied.set(ns, Math.max(applied, this.#applied.get(ns) ?? 0));
      }
      this.#setSize.run(size);
    });
    this.#size = size;
  }

  #resumeSize(): number {
    const sizes = [Number(this.#index.prepare('SELECT size FROM head').get()?.['size'] ?? 0)];
    for (const [ns, expected] of this.#applied) {
      const { applied } = this.#namespace(ns);
      if (applied < expected) sizes.push(applied);
    }
    return Math.min(...sizes);
  }

  #namespace(ns: string): NamespaceWriter {
    const known = this.#open.get(ns);
    if (known !== undefined) {
      this.#open.delete(ns);
      this.#open.set(ns, known);
      return known;
    }
    const [oldest] = this.#open.keys();
    const openMax = this.#building.size > 0 ? openBuildingMax : openNamespacesMax;
    if (this.#open.size >= openMax && oldest !== undefined) this.#close(oldest);
    const path = namespaceFile(this.#folder, ns);
    if (!this.#isSettled && !existsSync(path)) this.#building.add(ns);
    const writer = new NamespaceWriter(this.#building.has(ns) ? buildingFile(path) : path);
    this.#open.set(ns, writer);
    return writer;
  }

  #close(ns: string): void {
    this.#open.get(ns)?.close();
    this.#open.delete(ns);
  }
}

const indexTables = `
  CREATE TABLE head (size INTEGER NOT NULL) STRICT;
  INSERT INTO head VALUES (0);
  CREATE TABLE namespaces (ns TEXT PRIMARY KEY, applied INTEGER NOT NULL) STRICT`;

function discardDamaged(path: string, findings: string[]): void {
  try {
    checkFile(path);
  } catch (error) {
    if (!isGridError(error, 'BCDB_PROJECTION_CORRUPT')) throw error;
    findings.push(error.message);
    removeFile(path);
  }
}

function gap(size: number, from: number): GridError<BcdbErrorCode> {
  const message = `a batch from ${from} cannot follow size ${size}`;
  return new GridError('BCDB_PROJECTION_STOPPED', message, { details: { size, from } });
}
