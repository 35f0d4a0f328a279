import { createHash, hash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, syncFolder, writeFileAtomic } from '@commongrid/base';

import type { IdShift } from '../erofs/shift-ids.ts';
import { writeErofs } from '../erofs/write-erofs.ts';
import type { FlistDigest } from '../format/flist.ts';
import { objectIdOf } from '../format/object-id.ts';
import { fannedPath } from '../store/fanned-folder.ts';
import type { Directory } from '../tree/inode.ts';

/** Images that are kept; the one that was not used for longest makes room. */
const erofsImagesMax = 128;

/**
 * EROFS images of flists, one for each digest and shift, in a folder that only its owner enters.
 * Each is our own: its SHA-256 was noted when it was written, and an image that has another one is
 * written anew. The kernel never parses what somebody else made.
 */
export class ErofsCache {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(folder: string): Promise<ErofsCache> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(folder)) {
      if (name.endsWith('.tmp')) await rm(join(folder, name));
    }
    return new ErofsCache(folder);
  }

  /** The path of the image, made now when it is not there as it was made. */
  async pathOf(digest: FlistDigest, root: Directory, shift: IdShift): Promise<string> {
    const path = join(this.#folder, `${digest}-${shift.uidShift}-${shift.gidShift}.erofs`);
    if (await isAsMade(path)) {
      const now = new Date();
      await utimes(path, now, now);
      return path;
    }
    await this.#makeRoom();
    await write(path, root, shift);
    return path;
  }

  async #makeRoom(): Promise<void> {
    const names = (await readdir(this.#folder)).filter((name) => name.endsWith('.erofs'));
    if (names.length < erofsImagesMax) return;
    const paths = names.map((name) => join(this.#folder, name));
    const ages = await Promise.all(
      paths.map(async (path) => ({ path, usedMs: (await stat(path)).mtimeMs })),
    );
    ages.sort((a, b) => a.usedMs - b.usedMs);
    for (const { path } of ages.slice(0, names.length - erofsImagesMax + 1)) {
      await rm(notePath(path), { force: true });
      await rm(path);
    }
  }
}

function notePath(path: string): string {
  return `${path}.sha256`;
}

async function isAsMade(path: string): Promise<boolean> {
  try {
    const note = await readFile(notePath(path), 'utf8');
    return hash('sha256', await readFile(path)) === note;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function write(path: string, root: Directory, shift: IdShift): Promise<void> {
  const temp = `${path}.tmp`;
  const sum = createHash('sha256');
  await rm(notePath(path), { force: true });
  try {
    const file = await open(temp, 'w', 0o600);
    try {
      const objectPathOf = (content: Parameters<typeof objectIdOf>[0]): string =>
        fannedPath('', objectIdOf(content));
      for (const piece of writeErofs(root, { ...shift, objectPathOf })) {
        sum.update(piece);
        await file.writeFile(piece);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temp, path);
  } catch (error) {
    await rm(temp, { force: true });
    throw error;
  }
  await syncFolder(join(path, '..'));
  await writeFileAtomic(notePath(path), sum.digest('hex'), { mode: 0o600 });
}
