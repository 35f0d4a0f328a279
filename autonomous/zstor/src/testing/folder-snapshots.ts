import { createReadStream } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SnapshotStore } from '../catalog/snapshot-store.ts';

/** Snapshots as files of one folder: survives no disk, so for tests alone. */
export class FolderSnapshots implements SnapshotStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async put(content: AsyncIterable<Buffer>): Promise<Buffer> {
    await mkdir(this.#folder, { recursive: true });
    // Later ones come later in the alphabet.
    const name = `${process.hrtime.bigint()}`.padStart(20, '0');
    await writeFile(join(this.#folder, name), content);
    return Buffer.from(name);
  }

  get(pointer: Buffer): AsyncIterable<Uint8Array> {
    return createReadStream(join(this.#folder, pointer.toString()));
  }

  async keepOnly(pointers: readonly Buffer[]): Promise<void> {
    const kept = new Set(pointers.map(String));
    for (const name of await readdir(this.#folder)) {
      if (!kept.has(name)) await rm(join(this.#folder, name), { force: true });
    }
  }
}
