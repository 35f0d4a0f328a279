import { FolderLock, isGridError, waitFor } from '@commongrid/base';

/** Longest wait for others. */
const turnTimeoutMs = 60_000;

/** Waits until nobody else has the turn in a folder; it ends when it is disposed of, or with us. */
export function turnIn(folder: string): Promise<FolderLock> {
  const lock = async (): Promise<FolderLock | undefined> => {
    try {
      return await FolderLock.open(folder);
    } catch (error) {
      if (isGridError(error, 'BASE_FOLDER_LOCKED')) return undefined;
      throw error;
    }
  };
  return waitFor(lock, { what: `the turn in ${folder}`, timeoutMs: turnTimeoutMs, everyMs: 50 });
}
