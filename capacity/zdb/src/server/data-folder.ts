import { GridError } from '@commongrid/base';
import { type Files, makeFolder } from '@commongrid/files';
import type { ZdbErrorCode } from '../errors.ts';

/** Makes the data folder, durably, when it is missing. @throws GridError ZDB_CONFIG_INVALID */
export function makeFolderFor(files: Files, dataDir: string): void {
  try {
    makeFolder(files, dataDir);
    files.readdirSync(dataDir);
  } catch (cause) {
    throw new GridError<ZdbErrorCode>(
      'ZDB_CONFIG_INVALID',
      `${dataDir} cannot be used as a folder`,
      {
        hint: 'name a folder that this user may write to',
        details: { dataDir },
        cause,
      },
    );
  }
}
