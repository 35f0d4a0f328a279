import { constants } from 'node:fs';
import { access, mkdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

import {
  errorCode,
  GridError,
  isGridError,
  mountAt,
  runProgram,
  syncFolder,
} from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';
import { BtrfsFacts, growBtrfs, makeBtrfs } from '../sys/btrfs.ts';
import type { MakeBtrfs } from '../sys/btrfs.ts';
import type { HeldPrograms } from '../sys/held-programs.ts';
import { LoopDisk, loopsBelow, preallocate, rereadLoop } from '../sys/loop.ts';
import { mountDisk, unmountDisk } from '../sys/mounts.ts';

export interface PoolDiskOptions {
  /** Real path; belongs to the pool alone. */
  readonly folder: string;
  /** Size of the file that is the disk. Without a device it must be given. */
  readonly sizeBytes?: number | undefined;
  /** A disk, empty or of this pool. */
  readonly device?: string | undefined;
  /** Name of the node on this machine. */
  readonly prefix: string;
}

/** The file system of a pool: on a disk, or in a file whose room is taken from the start. */
export class PoolDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly facts: BtrfsFacts;
  /** What changes it. */
  readonly programs: HeldPrograms;
  readonly #device: string;
  readonly #file: string | undefined;

  constructor(
    path: string,
    facts: BtrfsFacts,
    programs: HeldPrograms,
    device: string,
    file: string | undefined,
  ) {
    this.path = path;
    this.facts = facts;
    this.programs = programs;
    this.#device = device;
    this.#file = file;
  }

  /**
   * Makes what is missing and mounts it; what is mounted stays so.
   * @throws NODE_POOL_FOREIGN, NODE_POOL_BROKEN, NODE_ROOM_MISSING, NODE_CONFIG_INVALID
   */
  static async open(options: PoolDiskOptions, programs: HeldPrograms): Promise<PoolDisk> {
    const { folder, device } = options;
    const path = join(folder, 'pool');
    await mkdir(path, { recursive: true, mode: 0o711 });
    const file = device === undefined ? join(folder, fileName) : undefined;
    if (file === undefined) await takeDevice(programs, device ?? '', options.prefix);
    else await takeFile(programs, file, options);
    const source = file ?? (await realpath(device ?? ''));
    const disk = await mountedDevice(programs, path, folder, source);
    const facts = await BtrfsFacts.of(disk);
    if (facts === undefined) throw broken(path, `the kernel knows no file system on ${disk}`);
    const pool = new PoolDisk(path, facts, programs, disk, file);
    await pool.#begin();
    return pool;
  }

  /** What volumes can be promised together, so that each can have it whatever others write. */
  async promisableBytes(): Promise<number> {
    return promisableBytes(await sizeOf(this.#device), await this.facts.isMixed());
  }

  /** @throws NODE_ROOM_MISSING when the disk below has less, NODE_CONFIG_INVALID when it is smaller */
  async grow(sizeBytes?: number): Promise<void> {
    if (this.#file !== undefined && sizeBytes !== undefined) {
      await growFile(this.programs, this.#file, sizeBytes);
      await rereadLoop(this.programs, this.#device);
    }
    await growBtrfs(this.programs, this.path);
  }

  /** @throws BASE_PROGRAM_FAILED while it is in use */
  async unmount(): Promise<void> {
    await unmountDisk(this.programs, this.path);
  }

  async #begin(): Promise<void> {
    try {
      await this.facts.begin(this.programs, this.path);
      // Its file may have grown in a call that was killed.
      if (this.#file !== undefined) await this.grow((await stat(this.#file)).size);
    } catch (error) {
      throw broken(this.path, error);
    }
  }
}

/**
 * What is held back is for what nobody is charged for: checksums and the table of extents, which for
 * files of one block takes 2 %; and chunks (a tenth of the file system, 1 GiB at most) that are begun.
 * Where data and metadata have chunks of their own the kernel makes a new one for data when those that
 * are there are filled to 80 %; metadata does not get that room.
 */
function promisableBytes(sizeBytes: number, isMixed: boolean): number {
  const chunkBytes = Math.min(Math.floor(sizeBytes / 10), 2 ** 30);
  const usableBytes = Math.floor(sizeBytes * 0.97);
  const heldBytes = isMixed ? chunkBytes : Math.floor(usableBytes * 0.2) + 2 * chunkBytes;
  return Math.max(0, usableBytes - heldBytes);
}

/** Larger ones have chunks of their own for data and metadata: trees of small nodes get too deep. */
const mixedBytesMax = 64 * 2 ** 30;

const fileName = 'pool.img';

/** Unit of sizes in /sys/class/block. */
const sectorBytes = 512;

function layoutOf(prefix: string, sizeBytes: number): MakeBtrfs {
  return { label: `commongrid-${prefix}`, isMixed: sizeBytes <= mixedBytesMax };
}

async function sizeOf(device: string): Promise<number> {
  const sectors = await readFile(join('/sys/class/block', basename(device), 'size'), 'utf8');
  return Number(sectors) * sectorBytes;
}

/** A file comes to its name when its file system is whole, and has all its room at every start. */
async function takeFile(
  programs: HeldPrograms,
  file: string,
  { folder, sizeBytes, prefix }: PoolDiskOptions,
): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found !== undefined) {
    await growFile(programs, file, Math.max(found.size, sizeBytes ?? 0));
    return;
  }
  if (sizeBytes === undefined || sizeBytes < poolBytesMin) throw sizeInvalid(sizeBytes);
  const making = `${file}.new`;
  await rm(making, { force: true });
  try {
    await growFile(programs, making, sizeBytes);
    await makeBtrfs(programs, making, layoutOf(prefix, sizeBytes));
  } catch (error) {
    await rm(making, { force: true });
    throw error;
  }
  await rename(making, file);
  await syncFolder(folder);
}

/** The smallest file system that btrfs can make larger. */
const poolBytesMin = 256 * 2 ** 20;

async function growFile(programs: HeldPrograms, file: string, sizeBytes: number): Promise<void> {
  try {
    await preallocate(programs, file, sizeBytes);
  } catch (error) {
    if (!isGridError(error)) throw error;
    throw new GridError<NodeErrorCode>(
      'NODE_ROOM_MISSING',
      `the disk of ${file} does not have ${sizeBytes} bytes for it`,
      { hint: 'give volumes less, or a disk of their own', details: error.details, cause: error },
    );
  }
}

/** A file system is only ever made on a disk on which nothing is found. */
async function takeDevice(programs: HeldPrograms, device: string, prefix: string): Promise<void> {
  const { label } = layoutOf(prefix, 0);
  const found = await signatureOf(device);
  if (found === '') {
    await makeBtrfs(programs, device, layoutOf(prefix, await sizeOf(await realpath(device))));
    return;
  }
  const lines = found.split('\n');
  if (lines.includes('TYPE=btrfs') && lines.includes(`LABEL=${label}`)) return;
  throw new GridError<NodeErrorCode>('NODE_POOL_FOREIGN', `${device} is not empty`, {
    hint: `see what it holds: wipefs --no-act ${device}`,
    details: { device, found },
  });
}

/** Empty when blkid recognizes nothing. */
async function signatureOf(device: string): Promise<string> {
  try {
    return await runProgram('blkid', ['--probe', '--output', 'export', device]);
  } catch (error) {
    if (isGridError(error) && error.details['status'] === 2) return '';
    throw error;
  }
}

/**
 * The disk that is mounted at the path, or was now.
 * @param source its device, or the file that is one
 */
async function mountedDevice(
  programs: HeldPrograms,
  path: string,
  folder: string,
  source: string,
): Promise<string> {
  const loops = (await loopsBelow(folder)).filter(({ file }) => file === source);
  const devices = loops.map(({ device }) => device);
  const found = (await mountAt(path))?.source;
  if (found !== undefined && ![source, ...devices].includes(found)) throw foreign(path, found);
  await LoopDisk.detachAll(programs, source);
  if (found !== undefined && (await takesWrites(path))) return found;
  const isFile = source.startsWith(`${folder}/`);
  try {
    // After an error the kernel lets nobody write until it is mounted anew.
    if (found !== undefined) await unmountDisk(programs, path);
    await using disk = isFile ? await LoopDisk.of(programs, source) : undefined;
    const device = disk?.device ?? source;
    await mountDisk(programs, device, path, 'btrfs', mountOptions(device));
    return device;
  } catch (error) {
    throw broken(path, error);
  }
}

/** What a file discards is given back to the disk below, and others could take it. */
function mountOptions(device: string): readonly string[] {
  return device.startsWith('/dev/loop') ? ['noatime', 'nodiscard'] : ['noatime'];
}

async function takesWrites(path: string): Promise<boolean> {
  try {
    await access(path, constants.W_OK);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EROFS') return false;
    throw error;
  }
}

function sizeInvalid(sizeBytes: number | undefined): GridError<NodeErrorCode> {
  return new GridError(
    'NODE_CONFIG_INVALID',
    `a pool without a disk needs a size of ${poolBytesMin} bytes or more`,
    { details: { sizeBytes, poolBytesMin } },
  );
}

function foreign(path: string, source: string): GridError<NodeErrorCode> {
  return new GridError(
    'NODE_POOL_FOREIGN',
    `${source} is mounted at ${path}, which is the pool's`,
    {
      hint: `umount ${path}`,
      details: { path, source },
    },
  );
}

function broken(path: string, cause: unknown): GridError<NodeErrorCode> {
  return new GridError(
    'NODE_POOL_BROKEN',
    `the file system of ${path} cannot be used: ${String(cause)}`,
    {
      hint: 'see `dmesg`; `btrfs rescue` and `btrfs restore` may help, nothing was changed',
      details: { path },
      cause,
    },
  );
}
