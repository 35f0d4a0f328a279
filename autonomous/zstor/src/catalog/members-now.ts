import { isGridError } from '@commongrid/base';
import type { ChainState, Membership } from './chain.ts';
import { findLog } from './found-log.ts';
import type { LogPlace } from './found-log.ts';

/**
 * Who keeps the log now, for a head that was away for so long that most members which its tables know have been
 * replaced: those are no majority any more, and nobody tells them of their successors. Members note who they are
 * once that is decided, so the newest note holds, as it does for a head without tables.
 */
export class MembersNow {
  readonly #place: () => LogPlace;
  #found: Membership | undefined;

  /** @param place with the members that are named by now */
  constructor(place: () => LogPlace) {
    this.#place = place;
  }

  /** What follows from the tables, with newer members where they were found. */
  in(state: ChainState): ChainState {
    const found = this.#found;
    if (found === undefined || found.index <= state.membership.index) return state;
    return { ...state, membership: found };
  }

  /**
   * Runs it; and once more if it finds no majority, and newer members are found.
   * @throws what `run` throws
   */
  async reach<T>(log: Buffer, state: () => ChainState, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (!isGridError(error, 'ZSTOR_CATALOG_NO_MAJORITY')) throw error;
      if (!(await this.#find(log, state()))) throw error;
    }
    return run();
  }

  /** @returns whether members were found that are newer than those in the state */
  async #find(log: Buffer, state: ChainState): Promise<boolean> {
    try {
      const { logId, membership } = await findLog(this.#place());
      if (!logId.equals(log) || membership.index <= state.membership.index) return false;
      this.#found = membership;
      return true;
    } catch (error) {
      if (isGridError(error)) return false;
      throw error;
    }
  }
}
