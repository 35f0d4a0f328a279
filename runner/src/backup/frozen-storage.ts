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
 * Freezes all Zero-DBs of the storage of a grid while its head of S3, where one runs, adds nothing to its tables, and no
 * other one served: what they have of an object is then in all of them, or in none.
 * @throws GRID_BACKUP_PLACE_FAILED, GRID_BACKUP_OTHER_HEAD, ZDB_FOLDER_CHANGES, BASE_TIMEOUT where a head lives that
 *   does not answer
 */
export async function freezeStorage(
  home: GridHome,
  options: FreezeOptions = {},
): Promise<FrozenStorage> {
  let end: HoldEnd = 'held';
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    await using opened = new AsyncDisposableStack();
    const hold = await holdHead(home, options);
    const folders = new Map<string, FrozenFolder>();
    try {
      for (const name of backendNames(await layoutOf(home))) {
        const frozen = await FrozenFolder.open(home.backend(name));
        if (frozen !== undefined) folders.set(name, opened.use(frozen));
      }
      end = await hold.end();
      if (end !== 'held') continue;
    } finally {
      await hold.release();
    }
    const kept = opened.move();
    return { folders, [Symbol.asyncDispose]: () => kept.disposeAsync() };
  }
  if (end === 'elsewhere') throw otherHead();
  throw new GridError<GridErrorCode>(
    'GRID_BACKUP_PLACE_FAILED',
    'the Zero-DBs of S3 could not be read at one moment: this machine is too slow now',
    { hint: 'try again when it has less to do', retryable: true },
  );
}

/** What became of a hold: it lasts, a head may have gone on, or another head served. */
type HoldEnd = 'held' | 'over' | 'elsewhere';

interface Hold {
  /** To be asked once all is frozen, before it is released. */
  end(): Promise<HoldEnd>;
  release(): Promise<void>;
}

/**
 * Has the head wait, once this resolves. Where none runs nobody adds anything.
 * @throws GRID_BACKUP_OTHER_HEAD, BASE_TIMEOUT
 */
async function holdHead(home: GridHome, options: FreezeOptions): Promise<Hold> {
  const { timeoutMs = headMs, holdMs = holdMsMax } = options;
  let isElsewhere = false;
  const look = async (signal: AbortSignal): Promise<Hold | undefined> => {
    const hold = await askHold(home, holdMs, signal);
    isElsewhere = hold === 'elsewhere';
    // It takes over again once the other one has ended.
    if (hold === 'elsewhere') return undefined;
    if (hold !== 'absent') return hold;
    // One that just began listens soon.
    return (await hasHead(home)) ? undefined : withoutHead(home, holdMs);
  };
  const what =
    'the head of S3 to let changes wait, which it does not while it begins, or stands by for another one';
  try {
    return await waitFor(look, { what, timeoutMs, everyMs: 100 });
  } catch (error) {
    throw isElsewhere && isGridError(error, 'BASE_TIMEOUT') ? otherHead(error) : error;
  }
}

/** One that begins meanwhile adds. */
function withoutHead(home: GridHome, holdMs: number): Hold {
  const end = async (): Promise<HoldEnd> => {
    if (await hasHead(home)) return 'over';
    const late = await askHold(home, holdMs, AbortSignal.timeout(headMs));
    if (late === 'absent') return 'held';
    if (late !== 'elsewhere') await late.release();
    return 'over';
  };
  return { end, release: async () => {} };
}

async function hasHead(home: GridHome): Promise<boolean> {
  const { state } = await lookAt(home.path);
  return (state?.services['s3']?.process ?? null) !== null;
}

/** @returns `absent` where nobody listens, `elsewhere` where the head that does is not the one that serves */
async function askHold(
  home: GridHome,
  holdMs: number,
  signal: AbortSignal,
): Promise<Hold | 'absent' | 'elsewhere'> {
  const released = new AbortController();
  const held = Promise.withResolvers<{ readonly epoch: unknown }>();
  let hasEnded = false;
  // It cannot have begun to wait before, whenever its answers come.
  const askedMs = performance.now();
  const asking = {
    signal: AbortSignal.any([released.signal, signal]),
    onProgress: (event: unknown) => held.resolve(event as { readonly epoch: unknown }),
  };
  const path = controlPathOf(home.s3);
  const holding = askControl(path, 'hold', {}, asking)
    .then(() => 'over' as const)
    .catch((error: unknown) => {
      if (isGridError(error, 'BASE_CONTROL_ABSENT')) return 'absent';
      if (isGridError(error, 'ZSTOR_CATALOG_NOT_SERVING')) return 'elsewhere';
      if (isGridError(error, 'BASE_ABORTED') || isGridError(error, 'BASE_CONTROL_LOST')) {
        return 'over';
      }
      throw error;
    })
    .finally(() => {
      hasEnded = true;
    });
  const first = await Promise.race([held.promise, holding]);
  if (first === 'absent' || first === 'elsewhere') return first;
  return {
    end: async () => {
      if (first === 'over' || hasEnded || performance.now() - askedMs >= holdMs) return 'over';
      return confirmed(path, first.epoch);
    },
    release: async () => {
      released.abort();
      await holding;
    },
  };
}

/** That no other head served since this one took over says that none did while its Zero-DBs were frozen. */
async function confirmed(path: string, epoch: unknown): Promise<HoldEnd> {
  try {
    await askControl(path, 'serves', { epoch }, { timeoutMs: headMs });
    return 'held';
  } catch (error) {
    if (isGridError(error, 'ZSTOR_CATALOG_NOT_SERVING')) return 'elsewhere';
    const isGone = isGridError(error, 'BASE_CONTROL_ABSENT');
    if (isGone || isGridError(error, 'BASE_CONTROL_LOST')) return 'over';
    throw error;
  }
}

function otherHead(cause?: unknown): GridError<GridErrorCode> {
  return new GridError(
    'GRID_BACKUP_OTHER_HEAD',
    'another head serves the store of S3 and may change it: its Zero-DBs could not be read as they belong together',
    {
      hint: 'end what opened the store from another folder, such as `grid s3 serve --data FOLDER`, and try again',
      retryable: true,
      cause,
    },
  );
}
