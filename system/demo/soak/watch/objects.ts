import type { KnownObject } from '../../data/real-files.ts';
import type { TrafficFigures } from '../../data/traffic.ts';
import { BrokenPromise } from '../../../simulation/witness.ts';

/** Names that are told of many that differ. */
const namesMax = 3;

/** Holds what clients saw so far. @returns objects that were read, each with the right bytes @throws BrokenPromise */
export function requireRightReads({
  reads,
  expected,
  wrong,
  hung,
  problems,
}: TrafficFigures): number {
  const why = problems.length === 0 ? '' : `: ${problems.join('; ')}`;
  if (wrong > 0) throw new BrokenPromise(`objects: ${wrong} reads gave other bytes${why}`);
  if (hung > 0) throw new BrokenPromise(`objects: ${hung} requests hung${why}`);
  return reads.done + expected.reads.done;
}

/**
 * Holds everything that was read back in the end against what clients know.
 * @param sums SHA-256 by key, hex
 * @throws BrokenPromise
 */
export function requireAllThere(
  objects: readonly KnownObject[],
  sums: ReadonlyMap<string, string>,
): void {
  const wrong = objects.filter(({ key, sha256 }) => sums.get(key) !== sha256);
  if (wrong.length === 0) return;
  const names = wrong
    .slice(0, namesMax)
    .map(({ key }) => `${key} (${sums.has(key) ? 'other bytes' : 'missing'})`);
  throw new BrokenPromise(
    `objects: ${wrong.length} of ${objects.length} differ: ${names.join(', ')}`,
  );
}
