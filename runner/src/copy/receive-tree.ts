import { constants } from 'node:fs';
import {
  chmod,
  link,
  lutimes,
  mkdir,
  mkdtemp,
  open,
  rename,
  rm,
  stat,
  symlink,
  utimes,
} from 'node:fs/promises';
import { basename, dirname, join, posix } from 'node:path';

import { errorCode, GridError } from '@commongrid/base';
import { byteTextOf, bytesOfText, readTar, shownText } from '@commongrid/flist';
import type { ByteText, TarEntry } from '@commongrid/flist';

import type { GridErrorCode } from '../errors.ts';

/** What was copied. */
export interface Received {
  /** Where it is now. */
  readonly path: string;
  readonly files: number;
  readonly bytes: number;
}

/**
 * Puts the one file or folder that a tar holds where people want it, at once and whole, or not at all.
 *
 * 1. It is written into a new folder beside the place. Nothing of the tar is believed: no path, link or kind
 *    that would reach out of what is copied is made. 2. `isWhole` says whether all came. 3. It takes its place by
 *    one rename. A folder that is there gets it inside.
 * @param name of what is copied, as the tar has it
 * @throws GRID_COPY_REFUSED, GRID_FILE_EXISTS, what the tar and the system say
 */
export async function receiveTree(
  tar: AsyncIterable<Uint8Array>,
  {
    name,
    to,
    isWhole,
  }: { readonly name: string; readonly to: string; readonly isWhole: () => Promise<void> },
): Promise<Received> {
  const path = await placeFor(to, name);
  const beside = await mkdtemp(join(dirname(path), '.grid-cp-'));
  try {
    const tree = new ReceivedTree(beside, name);
    for await (const { entry, content } of readTar(tar)) await tree.add(entry, content);
    await isWhole();
    await tree.finish();
    await takePlace(tree.root, path);
    return { path, files: tree.files, bytes: tree.bytes };
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
}

/** The path that a copy takes: inside of what is a folder. @throws GRID_FILE_EXISTS */
async function placeFor(to: string, name: string): Promise<string> {
  const path = (await isFolder(to)) ? join(to, name) : to;
  if (await isFolder(path)) throw folderThere(path);
  return path;
}

async function takePlace(from: string, path: string): Promise<void> {
  try {
    await rename(from, path);
  } catch (error) {
    const isThere = ['ENOTEMPTY', 'EEXIST', 'EISDIR', 'ENOTDIR'].includes(errorCode(error) ?? '');
    throw isThere ? folderThere(path) : error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return false;
    throw error;
  }
}

/** What came so far, below a folder that is nobody else's. */
class ReceivedTree {
  /** What takes the place in the end. */
  readonly root: string;
  files = 0;
  bytes = 0;
  readonly #name: ByteText;
  /** By path below the root; '' is the root itself. Only what was made here is written into, or linked to. */
  readonly #folders = new Map<string, TarEntry>();
  readonly #files = new Set<string>();
  readonly #seen = new Set<string>();

  constructor(beside: string, name: string) {
    this.root = join(beside, 'content');
    this.#name = byteTextOf(Buffer.from(name));
  }

  async add(entry: TarEntry, content: AsyncIterable<Uint8Array>): Promise<void> {
    const path = this.#within(entry, entry.path);
    const parent = posix.dirname(path);
    if (path !== '' && !this.#folders.has(parent === '.' ? '' : parent)) {
      throw refused(entry, 'it is in no folder of the copy');
    }
    const isAgain = this.#seen.has(path);
    if (isAgain && !(entry.kind === 'directory' && this.#folders.has(path))) {
      throw refused(entry, 'it comes twice');
    }
    this.#seen.add(path);
    switch (entry.kind) {
      case 'directory':
        // Closed to others until all is there.
        if (!this.#folders.has(path)) await mkdir(this.#at(path), { mode: 0o700 });
        this.#folders.set(path, entry);
        return;
      case 'file':
        await this.#write(path, entry, content);
        this.#files.add(path);
        return;
      case 'symlink': {
        requireInside(entry, path);
        const at = this.#at(path);
        await symlink(bytesOfText(entry.linkTarget), at);
        await lutimes(at, secondsOf(entry), secondsOf(entry));
        return;
      }
      case 'hard-link': {
        const target = this.#within(entry, entry.linkTarget);
        if (!this.#files.has(target)) throw refused(entry, 'it is a link to nothing of the copy');
        await link(this.#at(target), this.#at(path));
        this.#files.add(path);
        return;
      }
      default:
        throw refused(entry, `it is a ${entry.kind}`);
    }
  }

  /** Gives folders their modes and times: what came into them later changed these. */
  async finish(): Promise<void> {
    if (this.#seen.size === 0) throw nothingCame();
    for (const [path, entry] of [...this.#folders].toReversed()) {
      const at = this.#at(path);
      await utimes(at, secondsOf(entry), secondsOf(entry));
      await chmod(at, modeOf(entry));
    }
  }

  async #write(path: string, entry: TarEntry, content: AsyncIterable<Uint8Array>): Promise<void> {
    // Nothing is written through a link, or over what came before.
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    await using file = await open(this.#at(path), flags, 0o600);
    for await (const bytes of content) await file.writeFile(bytes);
    await file.chmod(modeOf(entry));
    await file.utimes(secondsOf(entry), secondsOf(entry));
    this.files++;
    this.bytes += entry.sizeBytes;
  }

  /** A path of the tar below what is copied. @throws GRID_COPY_REFUSED */
  #within(entry: TarEntry, path: ByteText): string {
    if (path.startsWith('/')) throw refused(entry, 'it begins at the root');
    const parts = path.split('/').filter((part) => part !== '' && part !== '.');
    if (parts.includes('..')) throw refused(entry, 'it leads out of the copy');
    const [name, ...rest] = parts;
    if (name !== this.#name) throw refused(entry, 'it is not part of what was asked for');
    return rest.join('/');
  }

  #at(path: string): Buffer | string {
    if (path === '') return this.root;
    return Buffer.concat([Buffer.from(`${this.root}/`), bytesOfText(path as ByteText)]);
  }
}

/**
 * A link that leads out of the copy would let whoever follows it read, or write, what is here.
 *
 * Folders above it are real ones, made here: `..` counts those. After a name it may count those of where another link
 * leads, so there it is refused.
 */
function requireInside(entry: TarEntry, path: string): void {
  const { linkTarget } = entry;
  const parts = linkTarget.split('/').filter((part) => part !== '' && part !== '.');
  const named = parts.findIndex((part) => part !== '..');
  const [up, down] = named === -1 ? [parts, []] : [parts.slice(0, named), parts.slice(named)];
  const leaves =
    linkTarget.startsWith('/') || down.includes('..') || up.length >= path.split('/').length;
  if (path === '' || leaves) {
    throw refused(
      entry,
      `it is a link to ${shownText(linkTarget)}, which may lead out of the copy`,
    );
  }
}

/** Without setuid, setgid and sticky: here it is another's file than there. */
function modeOf({ mode }: TarEntry): number {
  return mode & 0o777;
}

function secondsOf({ mtimeNs }: TarEntry): number {
  return Number(mtimeNs / 1_000_000n) / 1_000;
}

function refused({ path }: TarEntry, why: string): GridError<GridErrorCode> {
  const shown = shownText(path);
  return new GridError('GRID_COPY_REFUSED', `${shown} is not copied, and so nothing is: ${why}`, {
    hint: 'copy a part without it, or pack it there: grid exec NAME -- tar',
    details: { path: shown },
  });
}

function folderThere(path: string): GridError<GridErrorCode> {
  return new GridError(
    'GRID_FILE_EXISTS',
    `there is something at ${path} that a copy does not replace`,
    {
      hint: `move ${basename(path)} away, or name another place`,
      details: { path },
    },
  );
}

function nothingCame(): GridError<GridErrorCode> {
  return new GridError('GRID_COPY_FAILED', 'nothing came out of the container', {
    hint: 'see that the path is there: grid exec NAME -- ls -l PATH',
  });
}
