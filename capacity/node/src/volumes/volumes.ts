import type { BackupTarget } from '../ports.ts';

/**
 * Disks of workloads in one pool, each named by the short id of its workload. A volume never has
 * more of the pool than its size, and can always have that much, whatever others do.
 *
 * Every call may come again, also after one that was killed, and comes to the same. Calls about one
 * workload come one after the other.
 */
export interface Volumes extends AsyncDisposable {
  /**
   * Makes a volume, or makes it larger. Its root belongs to `ownerUid`; one that is there already
   * keeps what its tenant made of it.
   * @throws NODE_ROOM_MISSING, NODE_VOLUME_SHRINK, NODE_VOLUME_UNKNOWN for what is to be copied,
   *   NODE_VOLUME_FULL
   */
  create(id: string, options: CreateVolume): Promise<void>;
  /** @throws NODE_VOLUME_UNKNOWN, NODE_VOLUME_SHRINK, NODE_ROOM_MISSING */
  grow(id: string, sizeBytes: number): Promise<void>;
  /** The folder that a container gets. @throws NODE_VOLUME_UNKNOWN */
  pathOf(id: string): Promise<string>;
  /** @throws NODE_VOLUME_UNKNOWN */
  usage(id: string): Promise<VolumeUsage>;
  /** Deletes a volume and its snapshots. @throws NODE_VOLUME_BUSY */
  remove(id: string): Promise<void>;
  /** Short ids, sorted. */
  list(): Promise<readonly string[]>;

  /**
   * Keeps a volume as it is at this moment, read-only.
   * @throws NODE_VOLUME_UNKNOWN, NODE_SNAPSHOT_LIMIT, NODE_ROOM_MISSING
   */
  snapshot(id: string, name: string): Promise<void>;
  /** Names, sorted. */
  snapshots(id: string): Promise<readonly string[]>;
  dropSnapshot(id: string, name: string): Promise<void>;
  /**
   * Packs all files of a snapshot into a target.
   * @throws NODE_SNAPSHOT_UNKNOWN, what the target throws
   */
  backup(id: string, snapshot: string, backup: VolumeBackup): Promise<void>;
  /**
   * Replaces all files of a volume that no container uses; it stays as it is until all is there.
   * Snapshots stay. Needs the room of a second volume while it lasts.
   * @throws NODE_VOLUME_UNKNOWN, NODE_ROOM_MISSING, NODE_VOLUME_FULL, NODE_VOLUME_BUSY,
   *   NODE_BACKUP_UNKNOWN, NODE_BACKUP_BROKEN
   */
  restore(id: string, backup: VolumeBackup): Promise<void>;

  /**
   * Gives the folder for what a container writes over its image, made or made larger.
   * @throws NODE_ROOM_MISSING, NODE_VOLUME_SHRINK
   */
  createUpper(id: string, sizeBytes: number): Promise<string>;
  /** @throws NODE_VOLUME_BUSY */
  removeUpper(id: string): Promise<void>;
  /** Short ids, sorted. */
  uppers(): Promise<readonly string[]>;

  room(): Promise<PoolRoom>;
  /** Makes the pool larger: its file, or, where it is a disk, to what that is now. */
  growPool(sizeBytes?: number): Promise<void>;
  /** What belongs to none of these workloads, or to nobody. It may hold data: it is only shown. */
  strangers(known: ReadonlySet<string>): Promise<readonly Stranger[]>;
  /** Ends this object alone: all stays mounted, for those who use it. */
  close(): Promise<void>;
  /** Unmounts all, for a machine that leaves; then as `close`. @throws NODE_VOLUME_BUSY */
  leave(): Promise<void>;
}

export interface CreateVolume {
  /** With all that its file system needs for itself. From `volumeBytesMin` on. */
  readonly sizeBytes: number;
  /** User and group of its root: the machine's id of a container's 0. */
  readonly ownerUid: number;
  /** Begins as a copy of that volume as it is at this moment, which keeps its owners. */
  readonly cloneOf?: string | undefined;
}

export interface VolumeUsage {
  /** With its snapshots where these share its room. Up to half a minute old. */
  readonly usedBytes: number;
  readonly sizeBytes: number;
}

export interface VolumeBackup {
  readonly target: BackupTarget;
  readonly name: string;
  /** The machine's id of the container's 0: backups have owners as the container sees them. */
  readonly ownerUid: number;
  readonly signal: AbortSignal;
}

export interface PoolRoom {
  /** What volumes can be promised together. */
  readonly sizeBytes: number;
  /** What they are promised, and what those that were removed still have. */
  readonly promisedBytes: number;
  readonly freeBytes: number;
}

export interface Stranger {
  readonly name: string;
  readonly usedBytes: number;
}

/** The smallest volume that has room for files beside what a file system needs for itself. */
export const volumeBytesMin = 16 * 2 ** 20;

/** Snapshots of one volume at a time. */
export const snapshotsMax = 32;
