import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { parseFlistDigest } from '../format/flist.ts';
import type { FlistDigest } from '../format/flist.ts';

/** How an image is shown: an overlay over metadata and objects, or a whole tree over FUSE. */
export type MountMode = 'overlay' | 'tree';

/**
 * What happens to a mount of which content turned out damaged: it is only reported, or also mounted
 * anew once nobody uses it. Until then whoever looks there may read from what was damaged.
 */
export type DamagePolicy = 'report' | 'remount';

/** A mount as it is noted, before it is made. */
export interface MountRecord {
  readonly schema: typeof mountSchema;
  readonly id: string;
  readonly digest: FlistDigest;
  readonly mode: MountMode;
  readonly target: string;
  readonly uidShift: number;
  readonly gidShift: number;
  /** Folder for what is written; undefined for a mount that is read-only. */
  readonly writableFolder?: string | undefined;
  readonly isTraced: boolean;
  /** Default: report. */
  readonly whenDamaged?: DamagePolicy | undefined;
  readonly state: 'mounting' | 'mounted';
  /** The FUSE file system that it uses, as mountinfo numbers it, and in which run of the machine. */
  readonly fuseDevice: string;
  readonly bootId: string;
  readonly mountedAtMs: number;
}

export const mountSchema = 'grid.flist.mount.1';

/**
 * The mounts of a store: `mounts/ID.json` each. A note is whole or not there, whoever is killed
 * when. It is not synced: a power cut ends the mount as well. Trips to the thread pool would take
 * longer than the work.
 */
export class MountJournal {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(folder: string): Promise<MountJournal> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return new MountJournal(folder);
  }

  /** All that are noted. A note that is damaged is none: its mount is found as a stranger. */
  async read(): Promise<readonly MountRecord[]> {
    const records: MountRecord[] = [];
    for (const name of await readdir(this.#folder)) {
      if (!name.endsWith('.json')) continue;
      const record = parseRecord(await readFile(join(this.#folder, name), 'utf8'));
      if (record !== undefined && `${record.id}.json` === name) records.push(record);
    }
    return records;
  }

  put(record: MountRecord): void {
    const path = this.#pathOf(record.id);
    const temp = `${path}.tmp`;
    writeFileSync(temp, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(temp, path);
  }

  remove(id: string): void {
    rmSync(this.#pathOf(id), { force: true });
  }

  #pathOf(id: string): string {
    return join(this.#folder, `${id}.json`);
  }
}

function parseRecord(text: string): MountRecord | undefined {
  let value: Partial<MountRecord> | null;
  try {
    value = JSON.parse(text) as Partial<MountRecord> | null;
  } catch {
    return undefined;
  }
  if (value?.schema !== mountSchema || typeof value.digest !== 'string') return undefined;
  if (parseFlistDigest(value.digest) === undefined) return undefined;
  return value as MountRecord;
}
