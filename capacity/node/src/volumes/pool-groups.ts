import { rename } from 'node:fs/promises';

import { Mutex } from '@commongrid/base';

import { createGroup, destroyGroup, limitGroup } from '../sys/btrfs.ts';
import type { BtrfsFacts, GroupUsage, QuotaGroup } from '../sys/btrfs.ts';
import type { PoolDisk } from './pool-disk.ts';
import { checkRoom } from './volume-names.ts';
import type { PoolRoom } from './volumes.ts';

/**
 * What shares one limit: a volume with its snapshots, what a container writes, or the files of a
 * backup that are to become a volume.
 */
export type GroupKind = 'v' | 'r' | 'w';

/** A short id has 48 bits, as the number of a group has: who is charged needs no table. */
export function groupOf(kind: GroupKind, id: string): QuotaGroup {
  return { level: levels.indexOf(kind) + 1, number: Number.parseInt(id, 16) };
}

const levels: readonly GroupKind[] = ['v', 'r', 'w'];

function keyOf({ level, number }: QuotaGroup): string {
  return `${levels[level - 1] ?? '?'}-${number.toString(16).padStart(12, '0')}`;
}

/** Limits of a pool. They are in its file system; what is promised is what limits say. */
export class PoolGroups {
  readonly #disk: PoolDisk;
  readonly #facts: BtrfsFacts;
  readonly #begun: () => Promise<ReadonlySet<string>>;
  /** Those that may be empty, or will be. */
  readonly #leaving: QuotaGroup[] = [];
  /** Room is looked for and promised in one. */
  readonly #promising = new Mutex();

  /** @param begun names, as `v-0123456789ab`, of whose limits are promises */
  constructor(disk: PoolDisk, begun: () => Promise<ReadonlySet<string>>) {
    this.#disk = disk;
    this.#facts = disk.facts;
    this.#begun = begun;
  }

  usage(group: QuotaGroup): Promise<GroupUsage | undefined> {
    return this.#facts.group(group);
  }

  room(): Promise<PoolRoom> {
    return this.#promising.run(async () => this.#room(await this.#begun()));
  }

  /** Who reads a folder while a name in it changes may see neither the old nor the new one. */
  rename(from: string, to: string): Promise<void> {
    return this.#promising.run(() => rename(from, to));
  }

  /**
   * Promises a group that many bytes, and then does what makes the promise count.
   * @throws NODE_ROOM_MISSING
   */
  async promise(group: QuotaGroup, sizeBytes: number, then: () => Promise<void>): Promise<void> {
    await this.#promising.run(async () => {
      const names = await this.#begun();
      const found = names.has(keyOf(group)) ? await this.usage(group) : undefined;
      checkRoom(await this.#room(names), sizeBytes - (found?.limitBytes ?? 0));
      await createGroup(this.#disk.programs, group, this.#disk.path);
      await limitGroup(this.#disk.programs, group, sizeBytes, this.#disk.path);
      await then();
    });
  }

  /** Forgets all groups that nobody is charged to any more. */
  async sweep(): Promise<void> {
    for (const group of await this.#facts.groups()) this.#leaving.push(group);
    await this.leave([]);
  }

  /**
   * Forgets groups as soon as the kernel has freed what is in them, which it does in the order in which
   * it was deleted: so each call looks at the first of those that wait.
   */
  async leave(groups: readonly QuotaGroup[]): Promise<void> {
    await this.#promising.run(async () => {
      // What is left out is found at the next start.
      if (this.#leaving.length < leavingMax) this.#leaving.push(...groups);
      const names = await this.#begun();
      for (let group = this.#leaving[0]; group !== undefined; group = this.#leaving[0]) {
        const isNeeded = names.has(keyOf(group));
        if (!isNeeded && !(await destroyGroup(this.#disk.programs, group, this.#disk.path))) return;
        this.#leaving.shift();
      }
    });
  }

  async #room(begun: ReadonlySet<string>): Promise<PoolRoom> {
    const sizeBytes = await this.#disk.promisableBytes();
    let promisedBytes = 0;
    for (const group of await this.#facts.groups()) {
      // Of what was removed there is what the kernel did not free yet.
      const { usedBytes, limitBytes } = group;
      promisedBytes += begun.has(keyOf(group)) ? Math.max(limitBytes, usedBytes) : usedBytes;
    }
    return { sizeBytes, promisedBytes, freeBytes: Math.max(0, sizeBytes - promisedBytes) };
  }
}

/** Groups that wait to be empty. */
const leavingMax = 4_096;
