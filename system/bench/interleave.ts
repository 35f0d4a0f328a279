/**
 * Measures both sides in turns, so that what slows the machine for a while slows both. The side
 * that goes first changes from round to round.
 */
export async function interleave<T>(
  rounds: number,
  sides: { ours(round: number): Promise<T>; rival(round: number): Promise<T> },
): Promise<{ ours: T[]; rival: T[] }> {
  const ours: T[] = [];
  const rival: T[] = [];
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) ours.push(await sides.ours(round));
    rival.push(await sides.rival(round));
    if (round % 2 === 1) ours.push(await sides.ours(round));
  }
  return { ours, rival };
}
