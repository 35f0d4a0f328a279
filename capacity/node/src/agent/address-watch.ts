import { isDeepStrictEqual } from 'node:util';
import { repeat } from '@commongrid/base';
import type { Clock } from '@commongrid/base';

export interface AddressWatchOptions {
  /** Looks where the machine is reached now. */
  readonly find: () => Promise<readonly string[]>;
  /** Where it was when the watch begins. */
  readonly known: readonly string[];
  readonly onMoved: (addresses: readonly string[]) => void;
  readonly onError: (error: unknown) => void;
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Between two looks, ms. */
const lookEveryMs = 60_000;

/** Tells of each move of a machine to other addresses. */
export async function watchAddresses(options: AddressWatchOptions): Promise<void> {
  const { find, onMoved, signal, clock, onError } = options;
  let { known } = options;
  const look = async (): Promise<void> => {
    const found = await find();
    if (isDeepStrictEqual(found, known)) return;
    known = found;
    onMoved(found);
  };
  await repeat(lookEveryMs, look, { signal, clock, onError });
}
