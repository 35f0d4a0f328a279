import type { Fault } from './faults.ts';

/**
 * Leaves out faults, and shortens them, for as long as what is left still shows the same failure.
 * @param fails whether a history fails
 * @param triesMax how many histories are tried
 */
export async function shrink(
  faults: readonly Fault[],
  fails: (faults: readonly Fault[]) => Promise<boolean>,
  triesMax: number,
): Promise<readonly Fault[]> {
  let tries = 0;
  const isWorse = async (one: readonly Fault[]): Promise<boolean> => {
    return tries++ < triesMax && (await fails(one));
  };
  let least = faults;
  for (let size = Math.ceil(least.length / 2); size >= 1; size = size === 1 ? 0 : size >> 1) {
    for (let from = 0; from < least.length;) {
      const fewer = least.toSpliced(from, size);
      if (await isWorse(fewer)) least = fewer;
      else from += size;
    }
  }
  for (const [index, fault] of least.entries()) {
    const shorter = least.with(index, { ...fault, forMs: Math.round(fault.forMs / 2) });
    if (await isWorse(shorter)) least = shorter;
  }
  return least;
}
