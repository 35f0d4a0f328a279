/** Calls to others that one contract has under way at a time. */
const callsMax = 16;

/** Results in the order of what they are of. After an error nothing new begins, and it is thrown. */
export async function inParallel<One, Result>(
  all: readonly One[],
  work: (one: One) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  let next = 0;
  let hasFailed = false;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < all.length && !hasFailed; at = next++) {
      const one = all[at];
      if (one === undefined) return;
      try {
        results[at] = await work(one);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  const lanes = Array.from({ length: Math.min(callsMax, all.length) }, lane);
  const [failed] = (await Promise.allSettled(lanes)).filter((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return results;
}
