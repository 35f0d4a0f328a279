import { askControl, GridError, isGridError, waitFor } from '@commongrid/base';
import { controlPathOf, holdMsMax } from '@commongrid/zstor';
import { FrozenFolder } from '@commongrid/zdb';

import type { GridErrorCode } from '../errors.ts';
import type { GridHome } from '../home.ts';
import { lookAt } from '../one-machine-grid.ts';
import { backendNames, layoutOf } from '../storage-layout.ts';

/** Times that freezing is tried, where it takes longer than the head of S3 may wait. */
const attemptsMax = 5;

/** Time for a head to listen, where it has just begun, and to let changes wait, ms. */
const headMs = 30_000;

/** The Zero-DBs of a storage, as they belong together. */
export interface FrozenStorage extends AsyncDisposable {
  /** By name of the service. */
  readonly folders: ReadonlyMap<string, FrozenFolder>;
}

export interface FreezeOptions {
  /** Time for a head that lives to let changes wait, ms. */
  readonly timeoutMs?: number;
  /** For how long it does at least from then on, ms. */
  readonly holdMs?: number;
}

/**
 * Freezes all Zero-DBs of the storage of a grid while its head of S3, where one runs, adds nothing to its tables:
 * what they have of an object is then in all of them, or in none.
 * @throws GRID_BACKUP_PLACE_FAILED, ZDB_FOLDER_CHANGES, BASE_TIMEOUT where a head lives that does not answer
 */
export async function freezeStorage(
  home: GridHome,
  options: FreezeOptions = {},
): Promise<FrozenStorage> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    await using opened = new AsyncDisposableStack();
    const hold = await holdHead(home, options);
    const folders = new Map<string, FrozenFolder>();
    try {
      for (const name of backendNames(await layoutOf(home))) {
        const frozen = await FrozenFolder.open(home.backend(name));
        if (frozen !== undefined) folders.set(name, opened.use(frozen));
      }
      if (await hold.isOver()) continue;
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
  /** Whether a head may have gone on by now. */
  isOver(): Promise<boolean>;
  release(): Promise<void>;
}

/** Has the head wait, once this resolves. Where none runs nobody adds anything. */
function holdHead(home: GridHome, options: FreezeOptions): Promise<Hold> {
  const { timeoutMs = headMs, holdMs = holdMsMax } = options;
  const look = async (signal: AbortSignal): Promise<Hold | undefined> => {
    const hold = await askHold(home, holdMs, signal);
    if (hold !== undefined) return hold;
    // One that just began listens soon.
    return (await hasHead(home)) ? undefined : withoutHead(home, holdMs);
  };
  return waitFor(look, { what: 'the head of S3 to let changes wait', timeoutMs, everyMs: 100 });
}

/** One that begins meanwhile adds. */
function withoutHead(home: GridHome, holdMs: number): Hold {
  const isOver = async (): Promise<boolean> => {
    if (await hasHead(home)) return true;
    const late = await askHold(home, holdMs, AbortSignal.timeout(headMs));
    await late?.release();
    return late !== undefined;
  };
  return { isOver, release: async () => {} };
}

async function hasHead(home: GridHome): Promise<boolean> {
  const { state } = await lookAt(home.path);
  return (state?.services['s3']?.process ?? null) !== null;
}

/** @returns undefined where nobody listens */
async function askHold(
  home: GridHome,
  holdMs: number,
  signal: AbortSignal,
): Promise<Hold | undefined> {
  const end = new AbortController();
  const held = Promise.withResolvers<'held'>();
  let hasEnded = false;
  // It cannot have begun to wait before, whenever its answers come.
  const askedMs = performance.now();
  const asking = {
    signal: AbortSignal.any([end.signal, signal]),
    onProgress: () => held.resolve('held'),
  };
  const holding = askControl(controlPathOf(home.s3), 'hold', {}, asking)
    .then(() => 'over')
    .catch((error: unknown) => {
      if (isGridError(error, 'BASE_CONTROL_ABSENT')) return 'absent';
      if (isGridError(error, 'BASE_ABORTED') || isGridError(error, 'BASE_CONTROL_LOST')) {
        return 'over';
      }
      throw error;
    })
    .finally(() => {
      hasEnded = true;
    });
  if ((await Promise.race([held.promise, holding])) === 'absent') return undefined;
  return {
    isOver: async () => hasEnded || performance.now() - askedMs >= holdMs,
    release: async () => {
      end.abort();
      await holding;
    },
  };
}
