import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, GridError, isGridError } from '@commongrid/base';
import type { Flist, FlistDigest, RepositoryReader } from '@commongrid/flist';
import type { Command } from 'commander';

import { resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';

/** Which repository a command works on. */
export type FlistOptions = JsonOption & { readonly repo?: string };

/** An flist that a command was asked about, and where its chunks are. */
export interface FoundFlist {
  readonly digest: FlistDigest;
  readonly flist: Flist;
  readonly reader: RepositoryReader;
}

/** Shortest beginning of a digest that names an flist. */
const prefixMin = 4;

/** A command on flists of a repository. */
export function flistSubcommand(name: string, description: string): Command {
  return resultCommand(name, description).option(
    '--repo <folder>',
    'where flists and their chunks are kept; default: flists in GRID_HOME',
  );
}

export function repositoryFolder({ environment }: CommandContext, { repo }: FlistOptions): string {
  return repo ?? join(environment.home, 'flists');
}

/**
 * @param name a digest, the beginning of one, or a file `NAME.flist`
 * @throws GRID_FLIST_UNKNOWN, GRID_FLIST_AMBIGUOUS, GRID_FILE_UNREADABLE, FLIST_CORRUPT
 */
export async function findFlist(
  context: CommandContext,
  options: FlistOptions,
  name: string,
): Promise<FoundFlist> {
  const { RepositoryReader: Reader } = await import('@commongrid/flist');
  const folder = repositoryFolder(context, options);
  const reader = new Reader(folder);
  if (name.endsWith('.flist')) return { ...(await readFlistFile(name)), reader };
  const digests = await digestsOf(reader, name);
  const [digest] = digests;
  if (digests.length > 1) throw ambiguous(name, digests);
  const flist = digest === undefined ? undefined : await reader.getFlist(digest);
  if (digest === undefined || flist === undefined) throw unknown(name, folder);
  return { digest, flist, reader };
}

/** An flist of a file, as it is kept and sent. @throws GRID_FILE_UNREADABLE, FLIST_CORRUPT */
async function readFlistFile(
  file: string,
): Promise<{ readonly digest: FlistDigest; readonly flist: Flist; readonly packed: Buffer }> {
  const { decodeFlist, flistDigestOf, unpackFlist } = await import('@commongrid/flist');
  const packed = await readFile(file).catch((cause: unknown) => {
    throw new GridError<GridErrorCode>(
      'GRID_FILE_UNREADABLE',
      `cannot read ${file}: ${errorCode(cause) ?? String(cause)}`,
      { hint: 'name a file that you may read', details: { file }, cause },
    );
  });
  const bytes = await unpackFlist(packed).catch((error: unknown) => {
    throw about(file, error);
  });
  return { digest: flistDigestOf(bytes), flist: decodeFlist(bytes), packed };
}

/** The error with the file that it is about, which who reads bytes does not know. */
export function about(file: string, error: unknown): unknown {
  if (!isGridError(error) || !error.code.startsWith('FLIST_')) return error;
  const { code, message, hint, retryable, details } = error;
  return new GridError(code, `${file}: ${message}`, {
    ...{ hint, retryable, details: { ...details, file } },
    cause: error,
  });
}

/** Enough of a digest for people. */
export function shortDigest(digest: FlistDigest): string {
  return digest.slice(0, 12);
}

async function digestsOf(reader: RepositoryReader, prefix: string): Promise<FlistDigest[]> {
  const found: FlistDigest[] = [];
  if (!/^[0-9a-f]+$/.test(prefix) || prefix.length < prefixMin) return found;
  for await (const digest of reader.listFlists()) {
    if (digest.startsWith(prefix)) found.push(digest);
  }
  return found;
}

function unknown(name: string, folder: string): GridError<GridErrorCode> {
  return new GridError('GRID_FLIST_UNKNOWN', `there is no flist ${name} in ${folder}`, {
    hint: `grid flist list; give ${prefixMin} digits of a digest or more; grid hub download brings one`,
    details: { name, folder },
  });
}

function ambiguous(name: string, digests: readonly FlistDigest[]): GridError<GridErrorCode> {
  return new GridError('GRID_FLIST_AMBIGUOUS', `${digests.length} flists begin with ${name}`, {
    hint: 'give more of the digest',
    details: { digests: digests.slice(0, 10) },
  });
}
