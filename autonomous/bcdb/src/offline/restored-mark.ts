import { readFile, rm } from 'node:fs/promises';
import { errorCode, GridError, writeFileAtomic } from '@commongrid/base';
import type { BcdbFolder } from '../config.ts';
import type { BcdbErrorCode } from '../errors.ts';

/** Notes that a folder was restored from a backup that ends at `size`. */
export async function markRestored(folder: BcdbFolder, size: number): Promise<void> {
  await writeFileAtomic(folder.restored, `${JSON.stringify({ size })}\n`, { mode: 0o600 });
}

/**
 * That the log of a folder does not end where a backup did: what was signed after that would be
 * contradicted. Once a handover follows, it may go on.
 * @throws BCDB_HANDOVER_NEEDED
 */
export async function requireNoRestore(
  folder: BcdbFolder,
  { size }: { readonly size: number },
): Promise<void> {
  const restored = await restoredSize(folder);
  if (restored === undefined) return;
  if (size > restored) {
    await rm(folder.restored, { force: true });
    return;
  }
  throw new GridError<BcdbErrorCode>(
    'BCDB_HANDOVER_NEEDED',
    `${folder.path} was restored from a backup of ${restored} records; others may have seen more`,
    {
      hint: `hand the log over: grid bcdb handover --data ${folder.path}`,
      details: { folder: folder.path, size: restored },
    },
  );
}

/** Records of the backup that a folder was restored from, until a handover follows them. */
export async function restoredSize({ restored }: BcdbFolder): Promise<number | undefined> {
  try {
    const { size } = JSON.parse(await readFile(restored, 'utf8')) as { readonly size: number };
    return size;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
