import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';

import { GridError, isGridError, throwIfAborted } from '@commongrid/base';

import { idsOfTenant } from '../container/uid-ranges.ts';
import type { NodeErrorCode } from '../errors.ts';
import type { HeldPrograms } from '../sys/held-programs.ts';
import { UserNamespace } from '../sys/user-namespace.ts';
import { isFull, volumeFull } from './volume-names.ts';

/**
 * All files of a folder as a tar in one frame of zstd with a checksum: numeric owners as a container
 * sees them, ACLs, extended attributes, hard links, holes. Other file systems within stay out. The
 * stream fails when not all could be read; sockets are left out.
 */
export function packTree(
  programs: HeldPrograms,
  folder: string,
  ownerUid: number,
  signal: AbortSignal,
): Readable {
  return Readable.from(packed(programs, folder, ownerUid, signal), { objectMode: false });
}

async function* packed(
  programs: HeldPrograms,
  folder: string,
  ownerUid: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const what = ['--create', '--sparse', '--one-file-system', '--warning=no-file-ignored'];
  await using tar = await Tar.start(programs, folder, ownerUid, [...what, '.'], 'pack');
  const { stdout } = tar.child;
  if (stdout === null) throw new Error('tar has no output');
  const zstd = createZstdCompress({ params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  const moved = pipeline(stdout, zstd, { signal });
  // Reading below says the same.
  moved.catch(() => {});
  try {
    for await (const chunk of zstd) yield chunk as Buffer;
    await moved;
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  }
  const said = await tar.end();
  if (said !== undefined) throw new Error(`not all of ${folder} could be packed: ${said}`);
}

/**
 * Puts the files of such a stream into an empty folder that belongs to `ownerUid`. It runs as the
 * tenant: a stream that was made to do harm can do none outside.
 * @throws NODE_BACKUP_BROKEN, NODE_VOLUME_FULL, BASE_ABORTED, what the stream fails with
 */
export async function unpackTree(
  programs: HeldPrograms,
  content: Readable,
  folder: string,
  ownerUid: number,
  signal: AbortSignal,
): Promise<void> {
  const what = ['--extract', '--same-owner', '--same-permissions', '--delay-directory-restore'];
  await using tar = await Tar.start(programs, folder, ownerUid, what, 'unpack');
  const { stdin } = tar.child;
  if (stdin === null) throw new Error('tar has no input');
  const zstd = createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: windowLogMax } });
  let broken: Error | undefined;
  try {
    await pipeline(content, zstd, (chunks) => feed(chunks, stdin), { signal });
  } catch (error) {
    throwIfAborted(signal);
    if (isGridError(error)) throw error;
    broken = error instanceof Error ? error : new Error(String(error));
    stdin.destroy();
  }
  const said = await tar.end();
  // A write that the last block cuts short is no error to tar's system.
  const wasFull = said !== undefined && (isFull(said) || /Wrote only \d+ of/.test(said));
  if (wasFull) throw volumeFull(folder, said);
  const why = broken?.message ?? said;
  if (why !== undefined) {
    throw new GridError<NodeErrorCode>('NODE_BACKUP_BROKEN', 'a backup cannot be unpacked', {
      hint: 'take an earlier backup',
      details: { why },
      cause: broken,
    });
  }
}

/** Goes to the end of what comes, where its checksum is; tar may have seen the end of its own before. */
async function feed(chunks: AsyncIterable<Buffer>, stdin: Writable): Promise<void> {
  let lost: Error | undefined;
  // Without it the process would end; the writes below say the same.
  stdin.on('error', (error) => {
    lost = error;
  });
  for await (const chunk of chunks) {
    if (!stdin.write(chunk) && lost === undefined) await once(stdin, 'drain');
    if (lost !== undefined) throw lost;
  }
  stdin.end();
}

/** Streams of ours need 2 MiB to be unpacked; one that asks for more than 8 MiB is not ours. */
const windowLogMax = 23;

/** GNU tar as root of a tenant's ids; killed when it is disposed of before it ended. */
class Tar implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #namespace: UserNamespace;
  readonly #closed: Promise<unknown[]>;
  #said = '';

  constructor(child: ChildProcess, namespace: UserNamespace) {
    this.child = child;
    this.#namespace = namespace;
    this.#closed = once(child, 'close');
    // Whoever waits for the end is told.
    this.#closed.catch(() => {});
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-saidCharactersMax);
    });
  }

  static async start(
    programs: HeldPrograms,
    folder: string,
    ownerUid: number,
    args: readonly string[],
    direction: 'pack' | 'unpack',
  ): Promise<Tar> {
    const namespace = await UserNamespace.open(ownerUid, idsOfTenant);
    const command = [`--user=${namespace.path}`, 'tar', '--file=-', ...tarArguments, ...args];
    const pipes =
      direction === 'pack' ? (['ignore', 'pipe'] as const) : (['pipe', 'ignore'] as const);
    // The folder is handed over open: the way there may be closed to the tenant.
    const child = spawn('nsenter', command, {
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' },
      stdio: [...pipes, 'pipe', programs.descriptor],
    });
    return new Tar(child, namespace);
  }

  /** Waits for its end; gives what it said when that was not good. */
  async end(): Promise<string | undefined> {
    const [exitCode, killedBy] = (await this.#closed) as [number | null, string | null];
    if (exitCode === 0) return undefined;
    return this.#said.trim() || `tar ended with ${exitCode ?? killedBy}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#closed.catch(() => {});
    await this.#namespace[Symbol.asyncDispose]();
  }
}

const tarArguments = [
  '--format=posix',
  '--numeric-owner',
  '--acls',
  '--xattrs',
  // Without it tar unpacks those of users only.
  '--xattrs-include=*',
];

/** Of what tar says, the end. */
const saidCharactersMax = 2_000;
