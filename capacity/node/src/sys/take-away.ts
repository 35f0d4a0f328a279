/**
 * Takes away what is found. Much of it goes by itself, or by others, between the look and the program
 * that takes it away, which then fails: only what is still found afterwards makes that a failure.
 * @throws what `remove` throws when nothing went
 */
export async function takeAway<T>(
  find: () => Promise<readonly T[]>,
  remove: (found: readonly T[]) => Promise<unknown>,
): Promise<void> {
  for (let found = await find(); found.length > 0;) {
    try {
      await remove(found);
      return;
    } catch (error) {
      const left = await find();
      if (left.length >= found.length) throw error;
      found = left;
    }
  }
}
