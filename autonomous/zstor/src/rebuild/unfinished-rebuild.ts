import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, GridError, writeFileAtomic } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';

/** What stands in the file of a rebuild that has begun a log and not ended. */
export interface UnfinishedRebuild {
  /** Who was to keep the new log. */
  readonly members: readonly string[];
  /** It began with tables that were in the folder. */
  readonly isFromTables?: boolean;
}

/**
 * Tables that are made again out of manifests know only some of what there is until that has ended. A
 * file in the folder of the store says so: without it the next head would take the rest for orphans.
 */
export async function noteUnfinished(folder: string, unfinished: UnfinishedRebuild): Promise<void> {
  await writeFileAtomic(pathIn(folder), JSON.stringify(unfinished));
}

/** What a rebuild was about to begin, and did not finish. */
export async function findUnfinished(folder: string): Promise<UnfinishedRebuild | undefined> {
  try {
    return JSON.parse(await readFile(pathIn(folder), 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export async function forgetUnfinished(folder: string): Promise<void> {
  await rm(pathIn(folder), { force: true });
}

/** @throws ZSTOR_REBUILD_UNFINISHED */
export async function requireFinished(folder: string): Promise<void> {
  if ((await findUnfinished(folder)) === undefined) return;
  throw new GridError<ZstorErrorCode>(
    'ZSTOR_REBUILD_UNFINISHED',
    `the tables of ${folder} were being made again, and that did not end`,
    { hint: 'run the same rebuild again: it goes on', details: { folder } },
  );
}

function pathIn(folder: string): string {
  return join(folder, 'rebuild.unfinished');
}
