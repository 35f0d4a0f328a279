import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { errorCode } from '@commongrid/base';

import type { HeldPrograms } from './held-programs.ts';

/** What is charged together: a number of a quota group, above those of single subvolumes. */
export interface QuotaGroup {
  /** From 1 on; 0 are the subvolumes themselves. */
  readonly level: number;
  /** 48 bits. */
  readonly number: number;
}

export interface GroupUsage extends QuotaGroup {
  /** Bytes that its members have, together; what several share counts once. As of the last commit. */
  readonly usedBytes: number;
  /** 0 without a limit. */
  readonly limitBytes: number;
}

export interface MakeBtrfs {
  readonly label: string;
  /** Data and metadata in the same blocks, so that neither can take the room of the other. */
  readonly isMixed: boolean;
}

/**
 * Makes a file system in a file or on a disk.
 * @throws BASE_PROGRAM_FAILED when there is one already, of whatever kind
 */
export async function makeBtrfs(
  programs: HeldPrograms,
  path: string,
  { label, isMixed }: MakeBtrfs,
): Promise<void> {
  // Metadata once: kept twice, a tenant who writes names only would take twice what he has. No
  // discard: it would give the room of a file back to the disk below.
  const args = ['--quiet', '--nodiscard', '--metadata', 'single', '--data', 'single'];
  const layout = isMixed ? ['--mixed'] : [];
  await btrfsTool(programs, 'mkfs.btrfs', [...args, ...layout, '--label', label, path]);
}

export async function createSubvolume(
  programs: HeldPrograms,
  path: string,
  group: QuotaGroup,
): Promise<void> {
  await btrfs(programs, 'subvolume', 'create', '-i', groupText(group), path);
}

/** Copies a subvolume as it is at one moment; what both have is charged to the group once. */
export async function snapshotSubvolume(
  programs: HeldPrograms,
  source: string,
  target: string,
  group: QuotaGroup,
): Promise<void> {
  await btrfs(programs, 'subvolume', 'snapshot', '-r', '-i', groupText(group), source, target);
}

/**
 * Takes a subvolume out of sight; the kernel frees it later. Follows no links.
 * @throws BASE_PROGRAM_FAILED
 */
export async function deleteSubvolume(programs: HeldPrograms, path: string): Promise<void> {
  try {
    await btrfs(programs, 'subvolume', 'delete', path);
  } catch (error) {
    if (!String(error).includes('Directory not empty')) throw error;
    // Others are within. Their names are their owners': find hands each over from its own folder.
    const each = ['-mindepth', '1', '-depth', '-type', 'd', '-inum', subvolumeInode];
    const remove = ['-execdir', 'btrfs', 'subvolume', 'delete', '{}', ';'];
    await btrfsTool(programs, 'find', ['-P', path, ...each, ...remove]);
    await btrfs(programs, 'subvolume', 'delete', path);
  }
}

/** Inode number of the root of every subvolume. */
const subvolumeInode = '256';

/** Does nothing when it is there. */
export async function createGroup(
  programs: HeldPrograms,
  group: QuotaGroup,
  pool: string,
): Promise<void> {
  try {
    await btrfs(programs, 'qgroup', 'create', groupText(group), pool);
  } catch (error) {
    if (!String(error).includes('File exists')) throw error;
  }
}

export async function limitGroup(
  programs: HeldPrograms,
  group: QuotaGroup,
  limitBytes: number,
  pool: string,
): Promise<void> {
  await btrfs(programs, 'qgroup', 'limit', String(limitBytes), groupText(group), pool);
}

/** Resolves to false while subvolumes are in it, also such that are being freed. */
export async function destroyGroup(
  programs: HeldPrograms,
  group: QuotaGroup,
  pool: string,
): Promise<boolean> {
  try {
    await btrfs(programs, 'qgroup', 'destroy', groupText(group), pool);
    return true;
  } catch (error) {
    return String(error).includes('No such file or directory');
  }
}

/** Charges a subvolume that shares nothing with others to another group. */
export async function moveToGroup(
  programs: HeldPrograms,
  path: string,
  from: QuotaGroup,
  to: QuotaGroup,
  pool: string,
): Promise<void> {
  await btrfs(programs, 'filesystem', 'sync', pool);
  const id = await btrfs(programs, 'inspect-internal', 'rootid', path);
  const member = `0/${id.trim()}`;
  await btrfs(programs, 'qgroup', 'assign', member, groupText(to), pool);
  await btrfs(programs, 'qgroup', 'remove', member, groupText(from), pool);
}

/** Lets a mounted file system be as large as its disk. */
export async function growBtrfs(programs: HeldPrograms, pool: string): Promise<void> {
  await btrfs(programs, 'filesystem', 'resize', 'max', pool);
}

/** What the kernel tells of one mounted file system, without a program. */
export class BtrfsFacts {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Of the file system on a disk that is mounted; undefined when there is none. */
  static async of(device: string): Promise<BtrfsFacts | undefined> {
    for (const name of await readdir(sysFolder)) {
      const folder = join(sysFolder, name);
      // Beside file systems, what the module can do.
      const devices: readonly string[] = await readdir(join(folder, 'devices')).catch(() => []);
      if (devices.includes(basename(device))) return new BtrfsFacts(folder);
    }
    return undefined;
  }

  /**
   * Turns quotas on, and lets the kernel keep what they need: counts also while large subvolumes are
   * freed, which it else gives up for speed; chunks of data that are nearly empty given back, so
   * that metadata finds room.
   */
  async begin(programs: HeldPrograms, pool: string): Promise<void> {
    if ((await this.#read('qgroups/enabled')) !== 1) await btrfs(programs, 'quota', 'enable', pool);
    await this.#write('qgroups/drop_subtree_threshold', levelsMax);
    await this.#write('allocation/data/dynamic_reclaim', 1);
    await this.#write('allocation/data/periodic_reclaim', 1);
    await this.countAgain(programs, pool);
  }

  async isMixed(): Promise<boolean> {
    return (await readdir(join(this.#folder, 'allocation'))).includes('mixed');
  }

  /**
   * Has all counted anew where the kernel says that its figures are no longer right, as kernels before
   * 6.9 do after a snapshot. It goes on in the background; limits are not exact meanwhile.
   */
  async countAgain(programs: HeldPrograms, pool: string): Promise<void> {
    if ((await this.#read('qgroups/inconsistent')) !== 1) return;
    try {
      await btrfs(programs, 'quota', 'rescan', pool);
    } catch (error) {
      if (!String(error).includes('in progress')) throw error;
    }
  }

  async group({ level, number }: QuotaGroup): Promise<GroupUsage | undefined> {
    const folder = `qgroups/${level}_${number}`;
    const usedBytes = await this.#read(`${folder}/referenced`);
    const limitBytes = await this.#read(`${folder}/max_referenced`);
    if (usedBytes === undefined || limitBytes === undefined) return undefined;
    return { level, number, usedBytes, limitBytes };
  }

  /** All groups above those of single subvolumes. */
  async groups(): Promise<readonly GroupUsage[]> {
    const found: GroupUsage[] = [];
    for (const name of await readdir(join(this.#folder, 'qgroups'))) {
      const [, level, number] = /^([1-9]\d*)_(\d+)$/.exec(name) ?? [];
      if (level === undefined || number === undefined) continue;
      const usage = await this.group({ level: Number(level), number: Number(number) });
      if (usage !== undefined) found.push(usage);
    }
    return found;
  }

  async #read(path: string): Promise<number | undefined> {
    try {
      return Number(await readFile(join(this.#folder, path), 'utf8'));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Older kernels have some of these not. */
  async #write(path: string, value: number): Promise<void> {
    try {
      await writeFile(join(this.#folder, path), String(value), { flag: 'r+' });
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
  }
}

const sysFolder = '/sys/fs/btrfs';

/** Trees of btrfs have at most eight levels: no subvolume is too large to be counted. */
const levelsMax = 8;

function groupText({ level, number }: QuotaGroup): string {
  return `${level}/${number}`;
}

function btrfs(programs: HeldPrograms, ...args: readonly string[]): Promise<string> {
  return btrfsTool(programs, 'btrfs', args);
}

/** Its words are looked at, so they are English. */
function btrfsTool(
  programs: HeldPrograms,
  program: string,
  args: readonly string[],
): Promise<string> {
  return programs.run(program, args, {
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' },
    timeoutMs: btrfsTimeoutMs,
  });
}

/** A commit of the file system, which some of these wait for, takes as long as the disk is busy. */
const btrfsTimeoutMs = 300_000;
