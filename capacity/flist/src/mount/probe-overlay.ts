import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, isGridError, writeFileAtomic } from '@commongrid/base';

import { writeErofs } from '../erofs/write-erofs.ts';
import { mountErofs, mountOverlay, unmount } from '../sys/mounts.ts';
import { byteTextFrom } from '../tree/byte-text.ts';
import type { Directory, RegularFile } from '../tree/inode.ts';

/** What a trial showed, in one run of the machine: modules and kernels change with the next. */
export interface OverlayProbe {
  readonly bootId: string;
  /** Whether EROFS images under overlays with data-only layers work. */
  readonly isOverlayUsable: boolean;
  /** Why not, in the words of the system. */
  readonly reason?: string | undefined;
}

async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

/** Mounts a small image and reads a file of it, or gives what was found in this run before. */
export async function probeOverlay(folder: string): Promise<OverlayProbe> {
  const notePath = join(folder, 'probe.json');
  const bootId = await readBootId();
  const known = await readNote(notePath);
  if (known?.bootId === bootId) return known;
  const reason = await tryOverlay(folder);
  const isOverlayUsable = reason === undefined;
  const probe = { bootId, isOverlayUsable, ...(isOverlayUsable ? {} : { reason }) };
  await writeFileAtomic(notePath, `${JSON.stringify(probe)}\n`);
  return probe;
}

async function readNote(path: string): Promise<OverlayProbe | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as OverlayProbe;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const content = 'found by its object';
const base = { uid: 0, gid: 0, mtimeNs: 0n, xattrs: [] };
const file: RegularFile = {
  ...base,
  kind: 'file',
  mode: 0o444,
  sizeBytes: content.length,
  chunkHashes: Buffer.alloc(32),
};
const tree: Directory = {
  ...base,
  kind: 'directory',
  mode: 0o755,
  entries: new Map([[byteTextFrom('file'), file]]),
};

/** Undefined when it works. */
async function tryOverlay(folder: string): Promise<string | undefined> {
  const own = await mkdtemp(join(folder, 'probe-'));
  const [image, target] = [join(own, 'image'), join(own, 'target')];
  try {
    for (const name of ['meta', 'objects', 'target']) await mkdir(join(own, name));
    await writeFile(join(own, 'objects', 'object'), content);
    const objectPathOf = (): string => '/object';
    await writeFile(image, [...writeErofs(tree, { uidShift: 0, gidShift: 0, objectPathOf })]);
    await mountErofs(image, join(own, 'meta'));
    await mountOverlay({ folder: own, lower: ['meta'], data: ['objects'] }, target);
    const found = await readFile(join(target, 'file'), 'utf8');
    return found === content ? undefined : 'a file has another content than its object';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    for (const name of ['target', 'meta']) await unmountIfMounted(join(own, name));
    await rm(own, { recursive: true });
  }
}

async function unmountIfMounted(target: string): Promise<void> {
  await unmount(target).catch((error: unknown) => {
    if (!isGridError(error, 'FLIST_MOUNT_FAILED')) throw error;
  });
}
