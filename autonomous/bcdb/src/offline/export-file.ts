import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { errorCode, GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';

/** Opens a file of lines that somebody named. @throws BCDB_EXPORT_INVALID */
export async function openExport(file: string): Promise<FileHandle> {
  try {
    const handle = await open(file);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  } catch (error) {
    throw unreadable(file, errorCode(error) ?? String(error), error);
  }
  throw unreadable(file, 'it is no file');
}

function unreadable(file: string, why: string, cause?: unknown): GridError<BcdbErrorCode> {
  return new GridError('BCDB_EXPORT_INVALID', `cannot read ${file}: ${why}`, {
    hint: 'name a file of lines that you may read',
    details: { file },
    cause,
  });
}
