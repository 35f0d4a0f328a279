import { existsSync } from 'node:fs';
import { lstat, mkdir, readlink, realpath, rm, symlink } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';

import {
  errorCode,
  GridError,
  isGridError,
  readTextIfThere,
  runProgram,
  syncFolder,
  writeFileAtomic,
} from '@commongrid/base';

import type { GridErrorCode } from '../errors.ts';
import { isUnitOf, targetOf } from './unit-text.ts';

/** Where a unit belongs. */
export interface UnitPlaceOptions {
  /** Name without `.service`. */
  readonly name: string;
  /** Folder of the machine's files: `/`, or where an image of a machine is made. */
  readonly root: string;
  /** For a unit of a user's own manager, the folder of that user's configuration. */
  readonly userConfig: string | undefined;
}

/** How a unit was enabled: by systemctl, or by the symbolic link that systemctl would make. */
export type EnabledBy = 'systemctl' | 'link';

/** The file of a unit and the link that enables it. */
export class UnitPlace {
  readonly unit: string;
  /** The file itself. */
  readonly path: string;
  /** What makes systemd start it at boot. */
  readonly link: string;
  readonly #isUser: boolean;
  readonly #root: string;
  readonly #target: string;

  constructor({ name, root, userConfig }: UnitPlaceOptions) {
    this.#isUser = userConfig !== undefined;
    this.#root = root;
    this.unit = `${name}.service`;
    const folder = userConfig === undefined ? '/etc/systemd/system' : `${userConfig}/systemd/user`;
    this.#target = join(folder, this.unit);
    this.path = join(root, this.#target);
    this.link = join(root, folder, `${targetOf(this.#isUser)}.wants`, this.unit);
  }

  /** True where the systemd that runs on this machine is to know of the unit now. */
  get isLive(): boolean {
    return this.#root === '/' && existsSync('/run/systemd/system');
  }

  /**
   * @throws GRID_UNIT_FOREIGN when a unit of that name, or what enables it, is not that of the grid in `home`,
   *   GRID_UNIT_OUTSIDE when a link leads out of the root
   */
  async read(home: string): Promise<string | undefined> {
    await this.#requireInside(this.path);
    await this.#requireInside(this.link);
    await this.#requireOwnLink();
    const text = await readTextIfThere(this.path);
    if (text === undefined || isUnitOf(text, home)) return text;
    const message = `${this.path} is not the unit of the grid in ${home}`;
    throw new GridError<GridErrorCode>('GRID_UNIT_FOREIGN', message, {
      hint: 'choose another with --name, or take that file away yourself',
      details: { path: this.path, home },
    });
  }

  /** Writes the unit, and has it started at boot. Read it first. @throws GRID_UNIT_FOREIGN */
  async enable(text: string): Promise<EnabledBy> {
    await mkdir(dirname(this.path), { recursive: true });
    await writeFileAtomic(this.path, text, { mode: 0o644 });
    if (await this.#order('enable')) return 'systemctl';
    await mkdir(dirname(this.link), { recursive: true });
    await symlink(this.#target, this.link).catch(async (error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error;
      await this.#requireOwnLink();
    });
    await syncFolder(dirname(this.link));
    return 'link';
  }

  /** Undoes `enable`. What runs goes on. */
  async disable(): Promise<EnabledBy> {
    const isDone = await this.#order('disable');
    await rm(this.link, { force: true });
    await rm(this.path, { force: true });
    if (this.isLive) await this.#systemctl('daemon-reload').catch(ignoreRefusal);
    return isDone ? 'systemctl' : 'link';
  }

  async #requireInside(file: string): Promise<void> {
    if (this.#root === '/' || !existsSync(this.#root)) return;
    const root = await realpath(this.#root);
    const folder = dirname(file);
    const real = await realpath(await nearestThere(folder)).catch(ignoreAbsence);
    if (real === root || real?.startsWith(`${root}${sep}`) === true) return;
    const message = `${folder} is not below ${this.#root}: a link leads out of it`;
    throw new GridError<GridErrorCode>('GRID_UNIT_OUTSIDE', message, {
      hint: `make that link relative, or a folder: ls -ld ${folder}`,
      details: { path: folder, root: this.#root },
    });
  }

  async #requireOwnLink(): Promise<void> {
    const there = await lstat(this.link).catch(ignoreAbsence);
    if (there === undefined) return;
    const target = there.isSymbolicLink() ? await readlink(this.link) : undefined;
    const linkFolder = join(dirname(this.#target), `${targetOf(this.#isUser)}.wants`);
    if (target !== undefined && resolve(linkFolder, target) === this.#target) return;
    // The folder of a user may have another name to systemd.
    const real = await realpath(this.link).catch(ignoreAbsence);
    if (real !== undefined && real === (await realpath(this.path).catch(ignoreAbsence))) return;
    const message = `${this.link} does not lead to ${this.#target}`;
    throw new GridError<GridErrorCode>('GRID_UNIT_FOREIGN', message, {
      hint: 'choose another with --name, or take that link away yourself',
      details: { path: this.link, target },
    });
  }

  /** False where there is no systemctl, or the manager of the user does not answer it. */
  async #order(verb: 'enable' | 'disable'): Promise<boolean> {
    try {
      if (this.isLive) await this.#systemctl('daemon-reload');
      await this.#systemctl(verb, this.unit);
      return true;
    } catch (error) {
      ignoreRefusal(error);
      return false;
    }
  }

  #systemctl(...words: readonly string[]): Promise<string> {
    const user = this.#isUser ? ['--user'] : [];
    const root = this.#root === '/' ? [] : [`--root=${this.#root}`];
    return runProgram('systemctl', [...user, ...root, ...words]);
  }
}

/** The folder, or the lowest on the way to it that is there, be it a link to nowhere. */
async function nearestThere(folder: string): Promise<string> {
  const there = await lstat(folder).catch(ignoreAbsence);
  return there === undefined ? nearestThere(dirname(folder)) : folder;
}

function ignoreAbsence(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
}

function ignoreRefusal(error: unknown): void {
  if (isGridError(error, 'BASE_PROGRAM_MISSING') || isGridError(error, 'BASE_PROGRAM_FAILED')) {
    return;
  }
  throw error;
}
