import { chmod, chown, mkdir, realpath, rmdir } from 'node:fs/promises';
import { join } from 'node:path';

import { closeOnce } from '@commongrid/base';

import { createSubvolume, deleteSubvolume, moveToGroup, snapshotSubvolume } from '../sys/btrfs.ts';
import { HeldPrograms } from '../sys/held-programs.ts';
import { PoolDisk } from './pool-disk.ts';
import type { PoolDiskOptions } from './pool-disk.ts';
import { groupOf, PoolGroups } from './pool-groups.ts';
import type { GroupKind } from './pool-groups.ts';
import { isThere, namesIn } from './look.ts';
import { takeFolder } from './take-folder.ts';
import { packTree, unpackTree } from './tree-archive.ts';
import {
  checkGrows,
  checkSize,
  checkSnapshotName,
  diskName,
  idsOf,
  isFull,
  snapshotUnknown,
  tooManySnapshots,
  volumeBusy,
  volumeFull,
  volumeUnknown,
} from './volume-names.ts';
import type { DiskKind } from './volume-names.ts';
import { snapshotsMax } from './volumes.ts';
import type {
  CreateVolume,
  PoolRoom,
  Stranger,
  VolumeBackup,
  Volumes,
  VolumeUsage,
} from './volumes.ts';

/** Volumes as subvolumes of one btrfs, each with its snapshots in a quota group. */
export class VolumePool implements Volumes {
  readonly close: () => Promise<void>;
  readonly #disk: PoolDisk;
  readonly #groups: PoolGroups;

  constructor(disk: PoolDisk, opened: AsyncDisposableStack) {
    this.#disk = disk;
    this.#groups = new PoolGroups(disk, () => this.#begun());
    this.close = closeOnce(() => opened.disposeAsync());
  }

  /**
   * Mounts the pool, and ends what a kill left half done.
   * @throws NODE_POOL_FOREIGN, NODE_POOL_BROKEN, NODE_ROOM_MISSING, NODE_CONFIG_INVALID,
   *   what `takeFolder` throws
   */
  static async open(options: PoolDiskOptions): Promise<VolumePool> {
    await using opened = new AsyncDisposableStack();
    await mkdir(options.folder, { recursive: true, mode: 0o711 });
    const folder = await realpath(options.folder);
    const programs = new HeldPrograms(opened.use(await takeFolder(folder)));
    const disk = await PoolDisk.open({ ...options, folder }, programs);
    const pool = new VolumePool(disk, opened.move());
    try {
      await pool.#settleAll();
      return pool;
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async create(id: string, { sizeBytes, ownerUid, cloneOf }: CreateVolume): Promise<void> {
    checkSize(sizeBytes);
    if (await this.#has(diskName('v', id))) return this.grow(id, sizeBytes);
    if (cloneOf === undefined) {
      await this.#make('v', id, sizeBytes, (path) => chown(path, ownerUid, ownerUid));
      return;
    }
    const source = await this.usage(cloneOf);
    checkGrows(diskName('v', id), source.sizeBytes, sizeBytes);
    await this.#make('v', id, sizeBytes, (path) => this.#copy(cloneOf, id, path));
  }

  async grow(id: string, sizeBytes: number): Promise<void> {
    checkSize(sizeBytes);
    await this.pathOf(id);
    await this.#grow('v', id, sizeBytes);
  }

  async pathOf(id: string): Promise<string> {
    const name = diskName('v', id);
    if (!(await this.#has(name))) throw volumeUnknown(id);
    return this.#at(name);
  }

  async usage(id: string): Promise<VolumeUsage> {
    await this.pathOf(id);
    return this.#usage('v', id);
  }

  async remove(id: string): Promise<void> {
    const name = diskName('v', id);
    const kept = this.#at(snapshotFolder(id));
    for (const snapshot of await namesIn(kept)) await this.#drop(join(kept, snapshot));
    if (await isThere(kept)) await rmdir(kept);
    await this.#settle(id);
    await this.#drop(this.#at(name));
    await this.#leave('v', id);
  }

  async list(): Promise<readonly string[]> {
    return idsOf('v', await namesIn(this.#disk.path));
  }

  async snapshot(id: string, name: string): Promise<void> {
    checkSnapshotName(name);
    const source = await this.pathOf(id);
    const names = await this.snapshots(id);
    if (names.includes(name)) return;
    if (names.length >= snapshotsMax) throw tooManySnapshots(id);
    const folder = this.#at(snapshotFolder(id));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    try {
      await snapshotSubvolume(this.#programs, source, join(folder, name), groupOf('v', id));
    } catch (error) {
      throw isFull(error) ? volumeFull(diskName('v', id), error) : error;
    }
    await this.#disk.facts.countAgain(this.#programs, this.#disk.path);
  }

  async snapshots(id: string): Promise<readonly string[]> {
    return (await namesIn(this.#at(snapshotFolder(id)))).toSorted();
  }

  async dropSnapshot(id: string, name: string): Promise<void> {
    checkSnapshotName(name);
    await this.#drop(join(this.#at(snapshotFolder(id)), name));
  }

  async backup(id: string, snapshot: string, backup: VolumeBackup): Promise<void> {
    if (!(await this.snapshots(id)).includes(snapshot)) throw snapshotUnknown(id, snapshot);
    const path = join(this.#at(snapshotFolder(id)), snapshot);
    const { target, name, ownerUid, signal } = backup;
    await target.put(name, packTree(this.#programs, path, ownerUid, signal), signal);
  }

  async restore(id: string, { target, name, ownerUid, signal }: VolumeBackup): Promise<void> {
    const { sizeBytes } = await this.usage(id);
    const content = await target.get(name, signal);
    try {
      await this.#make('w', id, sizeBytes, async (path) => {
        await chown(path, ownerUid, ownerUid);
        await unpackTree(this.#programs, content, path, ownerUid, signal);
        await moveToGroup(
          this.#programs,
          path,
          groupOf('w', id),
          groupOf('v', id),
          this.#disk.path,
        );
      });
    } finally {
      content.destroy();
    }
    await this.#settle(id);
    await this.#disk.facts.countAgain(this.#programs, this.#disk.path);
    await this.#leave('w', id);
  }

  async createUpper(id: string, sizeBytes: number): Promise<string> {
    checkSize(sizeBytes);
    const name = diskName('r', id);
    if (await this.#has(name)) await this.#grow('r', id, sizeBytes);
    else await this.#make('r', id, sizeBytes, () => Promise.resolve());
    return this.#at(name);
  }

  async removeUpper(id: string): Promise<void> {
    await this.#drop(this.#at(diskName('r', id)));
    await this.#leave('r', id);
  }

  async uppers(): Promise<readonly string[]> {
    return idsOf('r', await namesIn(this.#disk.path));
  }

  room(): Promise<PoolRoom> {
    return this.#groups.room();
  }

  async growPool(sizeBytes?: number): Promise<void> {
    await this.#disk.grow(sizeBytes);
  }

  async strangers(known: ReadonlySet<string>): Promise<readonly Stranger[]> {
    const found: Stranger[] = [];
    for (const name of (await namesIn(this.#disk.path)).toSorted()) {
      const [, kind, id = ''] = /^([vrs])-([0-9a-f]{12})$/.exec(name) ?? [];
      if (known.has(id)) continue;
      // Snapshots are in the figure of their volume.
      const isCharged = kind === 'v' || kind === 'r';
      const usage = isCharged ? await this.#groups.usage(groupOf(kind, id)) : undefined;
      found.push({ name, usedBytes: usage?.usedBytes ?? 0 });
    }
    return found;
  }

  async leave(): Promise<void> {
    try {
      await this.#disk.unmount();
    } catch (error) {
      throw volumeBusy(this.#disk.path, error);
    }
    await this.close();
  }

  get #programs(): HeldPrograms {
    return this.#disk.programs;
  }

  #at(name: string): string {
    return join(this.#disk.path, name);
  }

  #has(name: string): Promise<boolean> {
    return isThere(this.#at(name));
  }

  /** Makes a subvolume that comes to its name when it is filled. */
  async #make(
    kind: GroupKind,
    id: string,
    sizeBytes: number,
    fill: (path: string) => Promise<void>,
  ): Promise<void> {
    const path = this.#at(`t-${kind}-${id}`);
    const group = groupOf(kind, id);
    await this.#drop(path);
    await this.#groups.promise(group, sizeBytes, () =>
      createSubvolume(this.#programs, path, group),
    );
    try {
      await chmod(path, 0o755);
      await fill(path);
      await this.#groups.rename(path, this.#at(`${kind === 'w' ? 'n' : kind}-${id}`));
    } catch (error) {
      await this.#drop(path);
      await this.#leave(kind, id);
      throw error;
    }
  }

  /**
   * Copies files so that both share blocks, and each is charged for all. A snapshot that can be
   * written to would do so at once, but the kernel would then count the whole pool anew, and know no
   * limits meanwhile.
   */
  async #copy(sourceId: string, id: string, path: string): Promise<void> {
    const still = this.#at(`t-c-${id}`);
    await this.#drop(still);
    await snapshotSubvolume(
      this.#programs,
      this.#at(diskName('v', sourceId)),
      still,
      groupOf('v', sourceId),
    );
    try {
      const args = ['--archive', '--reflink=always', '--one-file-system', `${still}/.`, path];
      await this.#programs.run('cp', args, { timeoutMs: copyTimeoutMs });
    } catch (error) {
      throw isFull(error) ? volumeFull(diskName('v', id), error) : error;
    } finally {
      await this.#drop(still);
    }
  }

  async #grow(kind: DiskKind, id: string, sizeBytes: number): Promise<void> {
    const found = await this.#usage(kind, id);
    checkGrows(diskName(kind, id), found.sizeBytes, sizeBytes);
    if (sizeBytes === found.sizeBytes) return;
    await this.#groups.promise(groupOf(kind, id), sizeBytes, () => Promise.resolve());
  }

  async #usage(kind: DiskKind, id: string): Promise<VolumeUsage> {
    const usage = await this.#groups.usage(groupOf(kind, id));
    if (usage === undefined) throw new Error(`${diskName(kind, id)} is in no quota group`);
    return { usedBytes: usage.usedBytes, sizeBytes: usage.limitBytes };
  }

  #leave(kind: GroupKind, id: string): Promise<void> {
    return this.#groups.leave([groupOf(kind, id)]);
  }

  async #drop(path: string): Promise<void> {
    if (await isThere(path)) await deleteSubvolume(this.#programs, path);
  }

  /** Names of groups that are promised their limit: of what is there, or being made. */
  async #begun(): Promise<ReadonlySet<string>> {
    const names = await namesIn(this.#disk.path);
    return new Set(names.map((name) => name.replace(/^t-/, '').replace(/^[no]-/, 'v-')));
  }

  /** Lets the files of a backup, when all are there, take the place of the volume. */
  async #settle(id: string): Promise<void> {
    const volume = this.#at(diskName('v', id));
    const [complete, replaced] = [this.#at(`n-${id}`), this.#at(`o-${id}`)];
    if (await isThere(complete)) {
      if (await isThere(volume)) await this.#groups.rename(volume, replaced);
      await this.#groups.rename(complete, volume);
    }
    await this.#drop(replaced);
  }

  async #settleAll(): Promise<void> {
    for (const name of await namesIn(this.#disk.path)) {
      if (/^t-[vrwc]-[0-9a-f]{12}$/.test(name)) await this.#drop(this.#at(name));
      const [, id] = /^[no]-([0-9a-f]{12})$/.exec(name) ?? [];
      if (id !== undefined) await this.#settle(id);
    }
    await this.#groups.sweep();
  }
}

/** A copy of 10 million files. */
const copyTimeoutMs = 3_600_000;

function snapshotFolder(id: string): string {
  return `s-${id}`;
}
