import { mkdir, rename, rm, rmdir, stat, statfs } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { GridError, isGridError, Mutex, readMounts } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';
import { copyStill, growExt4, growMountedExt4, makeExt4, thaw } from '../sys/ext4.ts';
import type { HeldPrograms } from '../sys/held-programs.ts';
import { LoopDisk, loopsBelow, loopsGone, preallocate, rereadLoop } from '../sys/loop.ts';
import { mountDisk, unmountDisk } from '../sys/mounts.ts';
import { isThere, namesIn } from './look.ts';
import { checkRoom, isFull, volumeBusy, volumeFull } from './volume-names.ts';
import type { PoolRoom, VolumeUsage } from './volumes.ts';

/**
 * Disks in files, each with a file system of its own: `images/NAME` shown at `mounts/NAME`. A file
 * has all its room on the disk below; it comes to its name when it is whole.
 */
export class ImageDisks {
  readonly #images: string;
  readonly #mounts: string;
  readonly #programs: HeldPrograms;
  #budgetBytes: number;
  /** Room is looked for and taken in one. */
  readonly #taking = new Mutex();

  constructor(folder: string, budgetBytes: number, programs: HeldPrograms) {
    this.#images = join(folder, 'images');
    this.#mounts = join(folder, 'mounts');
    this.#budgetBytes = budgetBytes;
    this.#programs = programs;
  }

  /** Ends what a kill left half done, and shows all disks. */
  async open(): Promise<void> {
    await mkdir(this.#images, { recursive: true, mode: 0o700 });
    await mkdir(this.#mounts, { recursive: true, mode: 0o711 });
    for (const name of await namesIn(this.#images)) {
      if (name.startsWith('t-')) await this.#forget(name);
    }
    const images = new Set(await namesIn(this.#images));
    for (const name of await namesIn(this.#mounts)) {
      if (!images.has(name)) await this.#hide(name);
    }
    for (const { file } of await loopsBelow(this.#images)) {
      await LoopDisk.detachAll(this.#programs, file);
    }
    for (const name of images) {
      if (/^[vr]-/.test(name)) await this.#show(name);
    }
  }

  mountOf(name: string): string {
    return join(this.#mounts, name);
  }

  has(name: string): Promise<boolean> {
    return isThere(this.#imageOf(name));
  }

  names(): Promise<readonly string[]> {
    return namesIn(this.#images);
  }

  async usage(name: string): Promise<VolumeUsage> {
    const { size } = await stat(this.#imageOf(name));
    const { blocks, bfree, bsize } = await statfs(this.mountOf(name));
    return { usedBytes: (blocks - bfree) * bsize, sizeBytes: size };
  }

  /** Bytes that a file has, or is to have, on the disk below. */
  async takenBytes(name: string): Promise<number> {
    const found = await stat(this.#imageOf(name)).catch(() => undefined);
    if (found === undefined) return 0;
    return Math.max(found.blocks * sectorBytes, name.startsWith('s-') ? 0 : found.size);
  }

  growBudget(sizeBytes: number): void {
    this.#budgetBytes = Math.max(this.#budgetBytes, sizeBytes);
  }

  room(): Promise<PoolRoom> {
    return this.#taking.run(() => this.#room());
  }

  /** Makes an empty disk. @throws NODE_ROOM_MISSING */
  async make(name: string, sizeBytes: number, ownerUid: number): Promise<void> {
    await this.#come(name, async (image) => {
      await this.#take(image, sizeBytes, sizeBytes);
      await makeExt4(this.#programs, image, ownerUid);
    });
    await this.#show(name);
  }

  /** Makes a copy of a disk, as it is at one moment. @throws NODE_ROOM_MISSING */
  async copy(source: string, name: string, sizeBytes: number): Promise<void> {
    await this.#come(name, async (image) => {
      await this.#take(image, sizeBytes, sizeBytes);
      await copyStill(this.#programs, this.mountOf(source), this.#imageOf(source), image);
      // What the copy left out are holes now.
      await this.#take(image, sizeBytes, 0);
    });
    await this.#show(name);
  }

  /** Keeps a copy that has only the blocks that are used, and is not shown. */
  async keep(source: string, name: string): Promise<void> {
    const { usedBytes } = await this.usage(source);
    checkRoom(await this.room(), usedBytes);
    try {
      await this.#come(name, (image) =>
        copyStill(this.#programs, this.mountOf(source), this.#imageOf(source), image),
      );
    } catch (error) {
      throw isFull(error) ? volumeFull(name, error) : error;
    }
  }

  /** Fills a new disk of the same size, which then takes the place of one that nobody uses. */
  async replace(
    name: string,
    ownerUid: number,
    fill: (folder: string) => Promise<void>,
  ): Promise<void> {
    const { sizeBytes } = await this.usage(name);
    const filling = temporary(`w-${name}`);
    await this.#forget(filling);
    try {
      await this.#take(this.#imageOf(filling), sizeBytes, sizeBytes);
      await makeExt4(this.#programs, this.#imageOf(filling), ownerUid);
      await this.#show(filling);
      await fill(this.mountOf(filling));
      await this.#hide(filling);
      await this.#hide(name);
      await this.#rename(filling, name);
    } finally {
      await this.#forget(filling);
      await this.#show(name);
    }
  }

  /** Shows a kept copy, read-only, while `read` runs. */
  async withKept(name: string, read: (folder: string) => Promise<void>): Promise<void> {
    const place = temporary(`b-${name}`);
    await this.#hide(place);
    try {
      await this.#mount(name, place, ['ro', 'noload']);
      await read(this.mountOf(place));
    } finally {
      await this.#hide(place);
    }
  }

  /** @throws NODE_ROOM_MISSING */
  async grow(name: string, sizeBytes: number): Promise<void> {
    const { size } = await stat(this.#imageOf(name));
    await this.#take(this.#imageOf(name), sizeBytes, sizeBytes - size);
    await this.#fit(name);
  }

  /** @throws NODE_VOLUME_BUSY */
  async remove(name: string): Promise<void> {
    await this.#forget(name);
  }

  async hideAll(): Promise<void> {
    for (const name of await namesIn(this.#mounts)) await this.#hide(name);
  }

  #imageOf(name: string): string {
    return join(this.#images, name);
  }

  async #come(name: string, fill: (image: string) => Promise<void>): Promise<void> {
    const making = temporary(name);
    await this.#forget(making);
    try {
      await fill(this.#imageOf(making));
      await this.#rename(making, name);
    } finally {
      await this.#forget(making);
    }
  }

  /** Who reads a folder while a name in it changes may see neither the old nor the new one. */
  #rename(from: string, to: string): Promise<void> {
    return this.#taking.run(() => rename(this.#imageOf(from), this.#imageOf(to)));
  }

  async #room(): Promise<PoolRoom> {
    let promisedBytes = 0;
    for (const name of await this.names()) promisedBytes += await this.takenBytes(name);
    const sizeBytes = this.#budgetBytes;
    return { sizeBytes, promisedBytes, freeBytes: Math.max(0, sizeBytes - promisedBytes) };
  }

  async #take(image: string, sizeBytes: number, moreBytes: number): Promise<void> {
    await this.#taking.run(async () => {
      checkRoom(await this.#room(), moreBytes);
      try {
        await preallocate(this.#programs, image, sizeBytes);
      } catch (error) {
        if (!isGridError(error) || !isFull(error)) throw error;
        throw new GridError<NodeErrorCode>(
          'NODE_ROOM_MISSING',
          `the disk of ${image} has no room for ${moreBytes} bytes`,
          { hint: 'make room on it', details: { moreBytes }, cause: error },
        );
      }
    });
  }

  /** Mounts a disk, or does for one that is mounted what a kill may have left out. */
  async #show(name: string): Promise<void> {
    if ((await this.#deviceOf(name)) !== undefined) {
      await thaw(this.#programs, this.mountOf(name));
      return;
    }
    await this.#mount(name, name, shownOptions);
    // Its file may have become larger in a call that was killed.
    await this.#fit(name);
  }

  /** Lets a file system have all of its file; where the kernel cannot do so while it is mounted, not. */
  async #fit(name: string): Promise<void> {
    const device = await this.#deviceOf(name);
    if (device === undefined) return;
    await rereadLoop(this.#programs, device);
    try {
      await growMountedExt4(this.#programs, device);
    } catch (error) {
      if (!isGridError(error, 'BASE_PROGRAM_FAILED')) throw error;
      try {
        await this.#hide(name);
        await growExt4(this.#programs, this.#imageOf(name));
      } finally {
        await this.#mount(name, name, shownOptions);
      }
    }
  }

  async #mount(name: string, place: string, options: readonly string[]): Promise<void> {
    await mkdir(this.mountOf(place), { recursive: true });
    await using disk = await LoopDisk.of(this.#programs, this.#imageOf(name));
    try {
      await mountDisk(this.#programs, disk.device, this.mountOf(place), 'ext4', options);
    } catch (error) {
      throw new GridError<NodeErrorCode>('NODE_POOL_BROKEN', `${name} cannot be mounted`, {
        hint: `see what is wrong with it: e2fsck -n ${this.#imageOf(name)}`,
        details: { name },
        cause: error,
      });
    }
  }

  async #deviceOf(name: string): Promise<string | undefined> {
    const place = this.mountOf(name);
    return (await readMounts()).findLast(({ target }) => target === place)?.source;
  }

  /** Nobody has it mounted any more, here or elsewhere. @throws NODE_VOLUME_BUSY */
  async #hide(name: string): Promise<void> {
    const place = this.mountOf(name);
    try {
      while ((await this.#deviceOf(name)) !== undefined) {
        await unmountDisk(this.#programs, place);
      }
      // It was not mounted yet, or is still so elsewhere.
      await LoopDisk.detachAll(this.#programs, this.#imageOf(name));
      await loopsGone(this.#imageOf(name));
    } catch (error) {
      throw volumeBusy(name, error);
    }
    if (await isThere(place)) await rmdir(place);
  }

  async #forget(name: string): Promise<void> {
    await this.#hide(name);
    await rm(this.#imageOf(name), { force: true });
  }
}

/** What a file discards is given back to the disk below, and others could take it. */
const shownOptions = ['noatime', 'nodiscard'];

/** Unit of `blocks` in stat. */
const sectorBytes = 512;

function temporary(name: string): string {
  return `t-${basename(name)}`;
}
