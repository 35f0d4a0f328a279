import { mkdir, realpath } from 'node:fs/promises';

import { closeOnce } from '@commongrid/base';

import { HeldPrograms } from '../sys/held-programs.ts';
import { ImageDisks } from './image-disks.ts';
import { takeFolder } from './take-folder.ts';
import { packTree, unpackTree } from './tree-archive.ts';
import {
  checkGrows,
  checkSize,
  checkSnapshotName,
  diskName,
  idsOf,
  snapshotUnknown,
  tooManySnapshots,
  volumeUnknown,
} from './volume-names.ts';
import { snapshotsMax } from './volumes.ts';
import type {
  CreateVolume,
  PoolRoom,
  Stranger,
  VolumeBackup,
  Volumes,
  VolumeUsage,
} from './volumes.ts';

export interface FullSizeVolumesOptions {
  /** Belongs to the volumes alone. */
  readonly folder: string;
  /** What volumes may have of its disk together; each takes its part when it is made. */
  readonly sizeBytes: number;
}

/** Volumes as files of their full size, each with an ext4: for machines without btrfs. */
export class FullSizeVolumes implements Volumes {
  readonly close: () => Promise<void>;
  readonly #disks: ImageDisks;
  readonly #programs: HeldPrograms;

  constructor(disks: ImageDisks, programs: HeldPrograms, opened: AsyncDisposableStack) {
    this.#disks = disks;
    this.#programs = programs;
    this.close = closeOnce(() => opened.disposeAsync());
  }

  /** @throws NODE_POOL_BROKEN for a volume that cannot be mounted, what `takeFolder` throws */
  static async open({ folder, sizeBytes }: FullSizeVolumesOptions): Promise<FullSizeVolumes> {
    await using opened = new AsyncDisposableStack();
    await mkdir(folder, { recursive: true, mode: 0o711 });
    const path = await realpath(folder);
    const programs = new HeldPrograms(opened.use(await takeFolder(path)));
    const disks = new ImageDisks(path, sizeBytes, programs);
    await disks.open();
    return new FullSizeVolumes(disks, programs, opened.move());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async create(id: string, { sizeBytes, ownerUid, cloneOf }: CreateVolume): Promise<void> {
    checkSize(sizeBytes);
    const name = diskName('v', id);
    if (await this.#disks.has(name)) {
      await this.grow(id, sizeBytes);
      return;
    }
    if (cloneOf === undefined) {
      await this.#disks.make(name, sizeBytes, ownerUid);
      return;
    }
    const source = await this.usage(cloneOf);
    checkGrows(name, source.sizeBytes, sizeBytes);
    await this.#disks.copy(diskName('v', cloneOf), name, sizeBytes);
  }

  async grow(id: string, sizeBytes: number): Promise<void> {
    checkSize(sizeBytes);
    await this.#grow(await this.#named(id), sizeBytes);
  }

  async pathOf(id: string): Promise<string> {
    return this.#disks.mountOf(await this.#named(id));
  }

  async usage(id: string): Promise<VolumeUsage> {
    return this.#disks.usage(await this.#named(id));
  }

  async remove(id: string): Promise<void> {
    for (const name of await this.snapshots(id)) await this.dropSnapshot(id, name);
    await this.#disks.remove(diskName('v', id));
  }

  async list(): Promise<readonly string[]> {
    return idsOf('v', await this.#disks.names());
  }

  async snapshot(id: string, name: string): Promise<void> {
    checkSnapshotName(name);
    const volume = await this.#named(id);
    const names = await this.snapshots(id);
    if (names.includes(name)) return;
    if (names.length >= snapshotsMax) throw tooManySnapshots(id);
    await this.#disks.keep(volume, snapshotName(id, name));
  }

  async snapshots(id: string): Promise<readonly string[]> {
    const begin = snapshotName(id, '');
    const names = (await this.#disks.names()).filter((name) => name.startsWith(begin));
    return names.map((name) => name.slice(begin.length)).toSorted();
  }

  async dropSnapshot(id: string, name: string): Promise<void> {
    checkSnapshotName(name);
    await this.#disks.remove(snapshotName(id, name));
  }

  async backup(id: string, snapshot: string, backup: VolumeBackup): Promise<void> {
    if (!(await this.snapshots(id)).includes(snapshot)) throw snapshotUnknown(id, snapshot);
    const { target, name, ownerUid, signal } = backup;
    await this.#disks.withKept(snapshotName(id, snapshot), (folder) =>
      target.put(name, packTree(this.#programs, folder, ownerUid, signal), signal),
    );
  }

  async restore(id: string, { target, name, ownerUid, signal }: VolumeBackup): Promise<void> {
    const volume = await this.#named(id);
    const content = await target.get(name, signal);
    try {
      await this.#disks.replace(volume, ownerUid, (folder) =>
        unpackTree(this.#programs, content, folder, ownerUid, signal),
      );
    } finally {
      content.destroy();
    }
  }

  async createUpper(id: string, sizeBytes: number): Promise<string> {
    checkSize(sizeBytes);
    const name = diskName('r', id);
    if (await this.#disks.has(name)) await this.#grow(name, sizeBytes);
    else await this.#disks.make(name, sizeBytes, 0);
    return this.#disks.mountOf(name);
  }

  async removeUpper(id: string): Promise<void> {
    await this.#disks.remove(diskName('r', id));
  }

  async uppers(): Promise<readonly string[]> {
    return idsOf('r', await this.#disks.names());
  }

  room(): Promise<PoolRoom> {
    return this.#disks.room();
  }

  growPool(sizeBytes = 0): Promise<void> {
    this.#disks.growBudget(sizeBytes);
    return Promise.resolve();
  }

  async strangers(known: ReadonlySet<string>): Promise<readonly Stranger[]> {
    const found: Stranger[] = [];
    for (const name of (await this.#disks.names()).toSorted()) {
      const id = /^[vrs]-([0-9a-f]{12})/.exec(name)?.[1] ?? '';
      if (known.has(id)) continue;
      found.push({ name, usedBytes: await this.#disks.takenBytes(name) });
    }
    return found;
  }

  async leave(): Promise<void> {
    await this.#disks.hideAll();
    await this.close();
  }

  /** @throws NODE_VOLUME_UNKNOWN */
  async #named(id: string): Promise<string> {
    const name = diskName('v', id);
    if (!(await this.#disks.has(name))) throw volumeUnknown(id);
    return name;
  }

  async #grow(name: string, sizeBytes: number): Promise<void> {
    const found = await this.#disks.usage(name);
    checkGrows(name, found.sizeBytes, sizeBytes);
    if (sizeBytes > found.sizeBytes) await this.#disks.grow(name, sizeBytes);
  }
}

function snapshotName(id: string, name: string): string {
  return `s-${id}-${name}`;
}
