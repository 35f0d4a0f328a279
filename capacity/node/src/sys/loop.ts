import { open, readdir, readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { errorCode, waitFor } from '@commongrid/base';

import type { HeldPrograms } from './held-programs.ts';

/** A file as a disk, for as long as this object is open or something is mounted of it. */
export class LoopDisk implements AsyncDisposable {
  readonly device: string;
  readonly #programs: HeldPrograms;
  /** Open, the disk keeps its file, and its number goes to no other. */
  readonly #opened: FileHandle;

  private constructor(device: string, programs: HeldPrograms, opened: FileHandle) {
    this.device = device;
    this.#programs = programs;
    this.#opened = opened;
  }

  /**
   * The disk that a file is already for somebody who has it mounted: two disks would each write what
   * they alone know of. Else a new one, past the page cache: with it the memory of its blocks is used
   * twice.
   */
  static async of(programs: HeldPrograms, file: string): Promise<LoopDisk> {
    await LoopDisk.detachAll(programs, file);
    for (const { device } of await loopsOf(file)) {
      const found = await LoopDisk.#open(device, programs, file);
      if (found !== undefined) return found;
    }
    const args = ['--find', '--show', '--direct-io=on', file];
    const device = (await programs.run('losetup', args)).trim();
    return new LoopDisk(device, programs, await open(device));
  }

  /** Takes the disks of a file away that nobody mounts; the others go as soon as nobody does. */
  static async detachAll(programs: HeldPrograms, file: string): Promise<void> {
    for (const { device } of await loopsOf(file)) {
      const found = await LoopDisk.#open(device, programs, file);
      await found?.[Symbol.asyncDispose]();
    }
  }

  /** Undefined when the device has another file by now, or none. */
  static async #open(
    device: string,
    programs: HeldPrograms,
    file: string,
  ): Promise<LoopDisk | undefined> {
    const opened = await open(device).catch((error: unknown) => {
      // It is just being taken away.
      if (isGone(error)) return undefined;
      throw error;
    });
    if (opened === undefined) return undefined;
    if ((await backingFileOf(basename(device))) === file) {
      return new LoopDisk(device, programs, opened);
    }
    await opened.close();
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#programs.run('losetup', ['--detach', this.device]);
    } finally {
      await this.#opened.close();
    }
  }
}

/** Lets the disk be as large as its file is now. */
export async function rereadLoop(programs: HeldPrograms, device: string): Promise<void> {
  await programs.run('losetup', ['--set-capacity', device]);
}

/** Waits until a file is no disk any more, for nobody. @throws BASE_TIMEOUT */
export async function loopsGone(file: string): Promise<void> {
  const hasNone = async (): Promise<boolean> => (await loopsOf(file)).length === 0;
  await waitFor(hasNone, { timeoutMs: goneTimeoutMs, what: `the end of all mounts of ${file}` });
}

/** Who has a copy of the table of mounts, as containers that are being made do, has it no longer. */
const goneTimeoutMs = 30_000;

interface Loop {
  readonly device: string;
  /** Its path now; ends in ` (deleted)` when it was removed. */
  readonly file: string;
}

/** Disks that show files of a folder, also such that were removed. */
export async function loopsBelow(folder: string): Promise<readonly Loop[]> {
  const loops = await allLoops();
  return loops.filter(({ file }) => file.startsWith(`${folder}/`));
}

async function loopsOf(file: string): Promise<readonly Loop[]> {
  return (await allLoops()).filter((loop) => loop.file === file);
}

async function allLoops(): Promise<readonly Loop[]> {
  const loops: Loop[] = [];
  for (const name of await readdir('/sys/block')) {
    if (!name.startsWith('loop')) continue;
    const file = await backingFileOf(name);
    if (file !== undefined) loops.push({ device: `/dev/${name}`, file });
  }
  return loops;
}

async function backingFileOf(name: string): Promise<string | undefined> {
  try {
    const text = await readFile(join('/sys/block', name, 'loop/backing_file'), 'utf8');
    return text.replace(/\n$/, '');
  } catch (error) {
    // Disks without a file; those that lose it while they are looked at.
    if (isGone(error)) return undefined;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENXIO', 'ENODEV'].includes(errorCode(error) ?? '');
}

/**
 * Gives a file its room on the disk below, now and for ever; what it has stays.
 * @throws BASE_PROGRAM_FAILED when there is less
 */
export async function preallocate(
  programs: HeldPrograms,
  file: string,
  sizeBytes: number,
): Promise<void> {
  await programs.run('fallocate', ['--length', String(sizeBytes), file]);
}
