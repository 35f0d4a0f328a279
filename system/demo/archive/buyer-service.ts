import { killIfThere, programsOf } from '../../machines/machine-processes.ts';
import type { DemoTown } from '../demo-town.ts';

/** The service of `grid up` that runs the bot of the buyer, and starts it again when it ends. */
export const buyerService = 'bot-buyer';

/** Ends the process of the buyer's bot at once. @throws when there is none */
export async function killBuyer({ buyer }: DemoTown): Promise<void> {
  const pids = await programsOf(buyer.folder);
  if (pids.length === 0) throw new Error('the bot of the buyer does not run');
  for (const pid of pids) killIfThere(Number(pid));
}

/** Waits until the bot of the buyer answers its owner. */
export function buyerAnswers(town: DemoTown): Promise<boolean> {
  return town.until('the bot of the buyer to answer', () => town.buyer.answers(town.signal));
}
