import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode } from '@commongrid/base';

export interface ContainerExit {
  /** Undefined when nobody saw how it ended. */
  readonly exitCode: number | undefined;
  readonly atMs: number;
}

/** What is written where the exit code is not known. */
const unknown = 'unknown';

/** The folder in which conmon writes, for each container that ended, a file with its exit code. */
export class ExitFiles implements Disposable {
  readonly folder: string;
  readonly #isId: (name: string) => boolean;
  readonly #listeners = new Set<(id: string) => void>();
  #watcher: FSWatcher | undefined;

  constructor(folder: string, isId: (name: string) => boolean) {
    this.folder = folder;
    this.#isId = isId;
  }

  static async open(folder: string, isId: (name: string) => boolean): Promise<ExitFiles> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const files = new ExitFiles(folder, isId);
    files.#watcher = watch(folder, { persistent: false }, (_event, name) => {
      if (name !== null && isId(name)) void files.#tellOf(name);
    });
    // What is not told is seen by whoever asks for the state, as they do now and then.
    files.#watcher.on('error', () => {});
    return files;
  }

  async read(id: string): Promise<ContainerExit | undefined> {
    const path = join(this.folder, id);
    try {
      const text = await readFile(path, 'utf8');
      const { mtimeMs } = await stat(path);
      return { exitCode: text === unknown ? undefined : Number(text), atMs: Math.floor(mtimeMs) };
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Notes that one ended unseen, unless it is known already how. */
  async noteUnseen(id: string): Promise<void> {
    await writeFile(join(this.folder, id), unknown, { flag: 'wx' }).catch((error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
  }

  async remove(id: string): Promise<void> {
    await rm(join(this.folder, id), { force: true });
  }

  async list(): Promise<readonly string[]> {
    return (await readdir(this.folder)).filter((name) => this.#isId(name));
  }

  /**
   * Calls `listener` for each that has ended by now, and for each that will; it can be more than once
   * for one. Dispose the result to stop.
   */
  onExit(listener: (id: string) => void): Disposable {
    this.#listeners.add(listener);
    void this.list().then(
      (ids) => ids.forEach((id) => this.#listeners.has(listener) && listener(id)),
      () => {},
    );
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
    this.#listeners.clear();
  }

  /** Removing the file is seen, too. */
  async #tellOf(id: string): Promise<void> {
    if ((await this.read(id).catch(() => undefined)) === undefined) return;
    for (const listener of this.#listeners) listener(id);
  }
}
