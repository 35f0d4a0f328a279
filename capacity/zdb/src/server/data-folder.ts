import { mkdir } from 'node:fs/promises';
import { GridError } from '@commongrid/base';
import type { ZdbErrorCode } from '../errors.ts';

/** Makes the data folder when it is missing. @throws GridError ZDB_CONFIG_INVALID */
export async function makeFolderFor(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new GridError<ZdbErrorCode>('ZDB_CONFIG_INVALID', `${dataDir} cannot be made a folder`, {
      hint: 'name a folder that this user may write to',
      details: { dataDir },
      cause,
    });
  }
}
