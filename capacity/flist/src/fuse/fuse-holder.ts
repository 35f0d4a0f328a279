import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { read, write } from 'node:fs';
import { mkdir, open, realpath, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import {
  chunkMemory,
  delay,
  FolderLock,
  GridError,
  isGridError,
  mountAt,
  readMounts,
} from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { mountFuse, unmount } from '../sys/mounts.ts';
import { answerInit, parseRequest, readBytesMax, requestBytesMax } from './fuse-wire.ts';
import type { FuseSession } from './fuse-wire.ts';

export interface FuseHolderOptions {
  /** Of a store, whose `fuse` is mounted. */
  readonly folder: string;
  /** The server: it finds /dev/fuse as its descriptor 3, and a `FuseSession` as last argument. */
  readonly program: readonly string[];
  readonly logger: Logger;
  /** Ends the server, then unmounts. */
  readonly signal: AbortSignal;
}

/** The descriptor of /dev/fuse in the server. */
export const fuseDescriptor = 3;

const firstPauseMs = 50;
const pauseMaxMs = 5_000;
/** A server that lived so long begins with a short pause again. */
const steadyMs = 10_000;
/** Time that a server has to end in order. */
const endTimeoutMs = 20_000;

/** Where the file system of a store is mounted. */
export function fuseFolderOf(folder: string): string {
  return join(folder, 'fuse');
}

/** Whether the file system of a store is there, served or not. */
export async function isStoreMounted(folder: string): Promise<boolean> {
  return (await mountAt(fuseFolderOf(await realpath(folder)))) !== undefined;
}

/**
 * Keeps a FUSE file system alive over the deaths of its server: it opens /dev/fuse, mounts, agrees
 * with the kernel on the protocol, and from then on only sees to it that there is a server. What is
 * asked while there is none waits in the kernel. Returns when the server has ended by itself with
 * exit code 0, or when the signal has fired and it was unmounted.
 * @throws FLIST_MOUNT_FAILED, FLIST_FUSE_UNSUPPORTED; BASE_FOLDER_LOCKED while another holder, or
 *   the server of one that was killed, is at work
 */
export async function holdFuse(options: FuseHolderOptions): Promise<void> {
  const { folder, logger, signal } = options;
  const mountPoint = fuseFolderOf(folder);
  await mkdir(join(folder, 'holder'), { recursive: true, mode: 0o700 });
  await using _lock = await FolderLock.open(join(folder, 'holder'));
  // A server without its holder still serves what is mounted: it is not put out of sight.
  await (await FolderLock.open(folder)).close();
  await clearDead(mountPoint);
  await mkdir(mountPoint, { recursive: true, mode: 0o700 });
  await using device = await open('/dev/fuse', 'r+');
  await mountFuse(device.fd, mountPoint);
  try {
    const session = await agree(device);
    await readAhead(mountPoint);
    logger.info({ mountPoint, ...session }, 'mounted');
    await keepServing(device, session, options);
  } finally {
    await unmountAnyhow(mountPoint);
    logger.info({ mountPoint, isOrdered: signal.aborted }, 'unmounted');
  }
}

/** A holder that was killed left a mount that nobody answers for. */
async function clearDead(mountPoint: string): Promise<void> {
  for (const { target, type } of await readMounts()) {
    if (target === mountPoint && type === 'fuse.flist') await unmountAnyhow(mountPoint);
  }
}

const readAsync = promisify(read);
const writeAsync = promisify(write);

async function agree(device: FileHandle): Promise<FuseSession> {
  const request = Buffer.alloc(requestBytesMax);
  await readAsync(device.fd, request, 0, request.length, null);
  const agreed = answerInit(parseRequest(request));
  if (agreed === undefined) {
    throw new GridError<FlistErrorCode>(
      'FLIST_FUSE_UNSUPPORTED',
      'the FUSE of this kernel is old',
      {
        hint: 'use Linux 5.10 or later',
      },
    );
  }
  await writeAsync(device.fd, agreed.answer, 0, agreed.answer.length, null);
  return agreed.session;
}

/** Mounts of FUSE read 128 KiB ahead, which makes long files slow. */
async function readAhead(mountPoint: string): Promise<void> {
  const mounted = await mountAt(mountPoint);
  const path = `/sys/class/bdi/${mounted?.device}/read_ahead_kb`;
  // Slower, but right, where /sys is read-only.
  await writeFile(path, String(readBytesMax / 1024)).catch(() => {});
}

async function keepServing(
  device: FileHandle,
  session: FuseSession,
  options: FuseHolderOptions,
): Promise<void> {
  const { signal, logger } = options;
  for (let pauseMs = firstPauseMs; !signal.aborted;) {
    const startMs = performance.now();
    const exitCode = await serveOnce(device, session, options);
    if (exitCode === 0 || signal.aborted) return;
    if (performance.now() - startMs > steadyMs) pauseMs = firstPauseMs;
    logger.warn({ exitCode, pauseMs }, 'the server ended and is started again');
    await delay(pauseMs, { signal }).catch(ignoreAbort);
    pauseMs = Math.min(pauseMs * 2, pauseMaxMs);
  }
}

/** Gives the exit code of one server, or the signal that ended it. */
async function serveOnce(
  device: FileHandle,
  session: FuseSession,
  { program, signal, logger }: FuseHolderOptions,
): Promise<number | string> {
  const [command = process.execPath, ...args] = program;
  const child = spawn(command, [...args, JSON.stringify(session)], {
    env: { ...process.env, ...chunkMemory },
    stdio: ['ignore', 'inherit', 'inherit', device.fd],
  });
  logger.info({ pid: child.pid }, 'the server was started');
  const ended = once(child, 'close');
  const stop = (): void => void endInTime(child, ended);
  signal.addEventListener('abort', stop, { once: true });
  try {
    const [exitCode, killedBy] = (await ended) as [number | null, string | null];
    return exitCode ?? killedBy ?? 'unknown';
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function endInTime(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), endTimeoutMs);
  await ended.catch(() => {});
  clearTimeout(timer);
}

async function unmountAnyhow(mountPoint: string): Promise<void> {
  await unmount(mountPoint, { isLazy: true }).catch((error: unknown) => {
    if (!isGridError(error, 'FLIST_MOUNT_FAILED')) throw error;
  });
}

function ignoreAbort(error: unknown): void {
  if (!isGridError(error, 'BASE_ABORTED')) throw error;
}
