import { askControl, GridError, isGridError } from '@commongrid/base';
import { controlPathOf } from '@commongrid/zstor';
import { FrozenFolder } from '@commongrid/zdb';

import type { GridErrorCode } from '../errors.ts';
import type { GridHome } from '../home.ts';
import { backendNames, layoutOf } from '../storage-layout.ts';

/** Times that freezing is tried, where it takes longer than the head of S3 may wait. */
const attemptsMax = 5;

/** The Zero-DBs of a storage, as they belong together. */
export interface FrozenStorage extends AsyncDisposable {
  /** By name of the service. */
  readonly folders: ReadonlyMap<string, FrozenFolder>;
}

/**
 * Freezes all Zero-DBs of the storage of a grid while its head of S3, where one runs, adds nothing to its tables:
 * what they have of an object is then in all of them, or in none.
 * @throws GRID_BACKUP_PLACE_FAILED, ZDB_FOLDER_CHANGES
 */
export async function freezeStorage(home: GridHome): Promise<FrozenStorage> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    await using opened = new AsyncDisposableStack();
    const hold = await holdHead(home.s3);
    const folders = new Map<string, FrozenFolder>();
    try {
      for (const name of backendNames(await layoutOf(home))) {
        const frozen = await FrozenFolder.open(home.backend(name));
        if (frozen !== undefined) folders.set(name, opened.use(frozen));
      }
      if (hold.isOver()) continue;
    } finally {
      await hold.release();
    }
    const kept = opened.move();
    return { folders, [Symbol.asyncDispose]: () => kept.disposeAsync() };
  }
  throw new GridError<GridErrorCode>(
    'GRID_BACKUP_PLACE_FAILED',
    'the Zero-DBs of S3 could not be read at one moment: this machine is too slow now',
    { hint: 'try again when it has less to do', retryable: true },
  );
}

interface Hold {
  /** Whether the head goes on by now. */
  isOver(): boolean;
  release(): Promise<void>;
}

/** Has the head wait, once this resolves. Where none runs nobody adds anything. */
async function holdHead(folder: string): Promise<Hold> {
  const end = new AbortController();
  const held = Promise.withResolvers<'held'>();
  let isOver = false;
  const holding = askControl(
    controlPathOf(folder),
    'hold',
    {},
    {
      signal: end.signal,
      onProgress: () => held.resolve('held'),
    },
  )
    .then(() => undefined)
    .catch((error: unknown) => {
      const isEnd = isGridError(error, 'BASE_ABORTED') || isGridError(error, 'BASE_CONTROL_LOST');
      if (!isEnd && !isGridError(error, 'BASE_CONTROL_ABSENT')) throw error;
      return isGridError(error, 'BASE_CONTROL_ABSENT') ? 'absent' : undefined;
    })
    .finally(() => {
      isOver = true;
    });
  const first = await Promise.race([held.promise, holding]);
  if (first === 'absent') return { isOver: () => false, release: async () => {} };
  return {
    isOver: () => isOver,
    release: async () => {
      end.abort();
      await holding;
    },
  };
}
