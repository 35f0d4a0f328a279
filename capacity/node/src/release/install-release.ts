import { hash } from 'node:crypto';
import { link, mkdir, open, rename, rm, statfs, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import {
  formatBytes,
  GridError,
  isGridError,
  readTextIfThere,
  runProgram,
  syncFolder,
  throwIfAborted,
  writeFileAtomic,
} from '@commongrid/base';
import {
  bytesOfText,
  chunkBytes,
  chunkCountOf,
  chunkSizeOf,
  findPath,
  hashAt,
  imageConfigOf,
  walkTree,
} from '@commongrid/flist';
import type { ByteText, Flist, Inode, RegularFile } from '@commongrid/flist';
import type { NodeErrorCode } from '../errors.ts';
import { releaseName, releasesFolder } from './release-choice.ts';
import type { KeptRelease, ReleaseId } from './release-choice.ts';
import type { ReleaseImages } from './release-images.ts';

export interface InstallReleaseOptions {
  /** Of the node. */
  readonly folder: string;
  readonly images: ReleaseImages;
  readonly signal: AbortSignal;
}

/** Of the disk, this much is left for others. */
const roomLeftBytes = 64 * 2 ** 20;
/** What a file takes besides its content, at most. */
const inodeBytes = 4_096;
/** For a disk to write what is in memory. */
const syncTimeoutMs = 300_000;
/** Names the mount from which a release is copied. */
const releaseMount = 'release';

/**
 * Brings a release into the folder of the node, unless it is there. Each chunk is held to the list of
 * files, which is held to the digest; what has its name is whole and on disk.
 *
 * 1. The image is shown by the image service, which fetches what is not here. 2. It is copied to a
 * folder with another name. 3. All of that is synced, then renamed.
 * @throws NODE_RELEASE_UNAVAILABLE, retryable; NODE_RELEASE_BROKEN
 */
export async function installRelease(
  release: ReleaseId,
  options: InstallReleaseOptions,
): Promise<KeptRelease> {
  const all = releasesFolder(options.folder);
  const name = releaseName(release);
  const former = await readTextIfThere(join(all, name, commandFile));
  if (former !== undefined) return { ...release, command: JSON.parse(former) as string[] };
  try {
    return await install(release, options, { all, name });
  } catch (error) {
    if (isGridError(error, 'NODE_RELEASE_BROKEN') || options.signal.aborted) throw error;
    const why = error instanceof Error ? error.message : String(error);
    const message = `release ${release.version} cannot be kept here: ${why}`;
    throw new GridError<NodeErrorCode>('NODE_RELEASE_UNAVAILABLE', message, {
      hint: isGridError(error) ? error.hint : undefined,
      retryable: true,
      details: { ...release },
      cause: error,
    });
  }
}

/** Lies beside the files of a release, and has the words of its command. */
const commandFile = 'command.json';

interface Place {
  readonly all: string;
  readonly name: string;
}

async function install(
  release: ReleaseId,
  { images, signal }: InstallReleaseOptions,
  { all, name }: Place,
): Promise<KeptRelease> {
  const context = { signal, progress: (): void => {} };
  const flist = await images.flist(release.digest, context);
  const command = commandOf(flist, name);
  await mkdir(all, { recursive: true, mode: 0o700 });
  const [source, draft] = [join(all, '.image'), join(all, `.new-${name}`)];
  await images.unmount(releaseMount);
  for (const path of [source, draft]) await rm(path, { recursive: true, force: true });
  try {
    await requireRoom(all, flist);
    await mkdir(source, { recursive: true });
    await mkdir(draft);
    const { digest } = release;
    await images.mount({ id: releaseMount, digest, target: source, idShift: 0 }, context);
    try {
      await copyTree(flist, { source, target: join(draft, 'root'), signal });
    } finally {
      await images.unmount(releaseMount);
    }
    await writeFileAtomic(join(draft, commandFile), JSON.stringify(command));
    await runProgram('sync', ['-f', draft], { timeoutMs: syncTimeoutMs, signal });
    await rename(draft, join(all, name));
    await syncFolder(all);
    return { ...release, command };
  } finally {
    for (const path of [source, draft]) await rm(path, { recursive: true, force: true });
  }
}

/** @throws when the disk has too little room */
async function requireRoom(folder: string, { root }: Flist): Promise<void> {
  let bytes = roomLeftBytes;
  for (const { inode, isFirstName } of walkTree(root)) {
    bytes += inodeBytes;
    if (inode.kind === 'file' && isFirstName) bytes += inode.sizeBytes;
  }
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= bytes) return;
  throw new GridError<NodeErrorCode>(
    'NODE_ROOM_MISSING',
    `it needs ${formatBytes(bytes)}, the disk has ${formatBytes(bavail * bsize)}`,
    { hint: `make room on the disk of ${folder}`, retryable: true },
  );
}

interface CopyOptions {
  readonly source: string;
  readonly target: string;
  readonly signal: AbortSignal;
}

async function copyTree({ root }: Flist, { source, target, signal }: CopyOptions): Promise<void> {
  const firstNames = new Map<Inode, ByteText>();
  for (const { path, inode } of walkTree(root)) {
    throwIfAborted(signal);
    const to = below(target, path);
    const first = firstNames.get(inode);
    if (inode.kind === 'directory') await mkdir(to, { mode: inode.mode & modeBits });
    else if (first !== undefined) await link(below(target, first), to);
    else if (inode.kind === 'symlink') await symlink(bytesOfText(inode.target), to);
    else if (inode.kind === 'file') await copyFile(inode, below(source, path), to, signal);
    else throw broken(`it has a ${inode.kind}`);
    firstNames.set(inode, path);
  }
}

/** A program of the machine belongs to its root, and nobody else may change it. */
const modeBits = 0o755;

/** @throws when a chunk is not what the list says */
async function copyFile(
  file: RegularFile,
  from: Buffer,
  to: Buffer,
  signal: AbortSignal,
): Promise<void> {
  await using source = await open(from, 'r');
  await using target = await open(to, 'wx', file.mode & modeBits);
  const chunk = Buffer.alloc(Math.min(chunkBytes, file.sizeBytes));
  for (let index = 0; index < chunkCountOf(file); index++) {
    throwIfAborted(signal);
    const bytes = chunk.subarray(0, chunkSizeOf(file, index));
    const { bytesRead } = await source.read(bytes, 0, bytes.length, index * chunkBytes);
    if (bytesRead !== bytes.length || hash('sha256', bytes, 'hex') !== hashAt(file, index)) {
      throw new GridError<NodeErrorCode>('NODE_RELEASE_UNAVAILABLE', 'its content is damaged');
    }
    await target.write(bytes);
  }
}

function below(folder: string, path: ByteText): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), bytesOfText(path)]);
}

/** The entrypoint of the image; what is in the image becomes a path in the folder of the node. */
function commandOf(flist: Flist, name: string): readonly string[] {
  const { entrypoint } = imageConfigOf(flist);
  const command = entrypoint.map((word) => {
    return word.startsWith('/') && isIn(flist, word) ? `releases/${name}/root${word}` : word;
  });
  if (command[0]?.startsWith('releases/') === true) return command;
  throw broken('its entrypoint is no program in it');
}

function isIn({ root }: Flist, path: string): boolean {
  try {
    return findPath(root, path.slice(1) as ByteText) !== undefined;
  } catch (error) {
    if (isGridError(error)) return false;
    throw error;
  }
}

function broken(why: string): GridError<NodeErrorCode> {
  return new GridError('NODE_RELEASE_BROKEN', `the image is no release: ${why}`, {
    hint: 'make one by: grid flist create --system',
  });
}
