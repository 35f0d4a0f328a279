import { isGridError } from '@commongrid/base';
import type { GridError } from '@commongrid/base';

import type { GridHome } from '../home.ts';
import { lookAt } from '../one-machine-grid.ts';
import type { GridStatus } from '../one-machine-grid.ts';
import { loadState } from '../supervisor/grid-state.ts';

/** How a grid is, as far as that is known. */
export interface GridStanding {
  /** As its supervisor says, or as it was saved last where that does not answer. */
  readonly status: GridStatus;
  /** Why the supervisor was not heard. */
  readonly silence: GridError | undefined;
}

/** A supervisor that hangs is what somebody looks for: it keeps nobody from looking. */
export async function standingOf(home: GridHome): Promise<GridStanding> {
  try {
    return { status: await lookAt(home.path), silence: undefined };
  } catch (error) {
    if (!isGridError(error, 'GRID_SUPERVISOR_UNREACHABLE')) throw error;
    return { status: { state: await loadState(home), isSupervised: true }, silence: error };
  }
}
