import type { DemoTown } from '../demo-town.ts';

/** The service of `grid up` that runs the bot of the buyer, and starts it again when it ends. */
export const buyerService = 'bot-buyer';

interface Status {
  readonly services: Readonly<
    Record<string, { readonly pid: number | null; readonly phase: string }>
  >;
}

/** Starts the bot of the buyer, and waits until it answers. */
export async function startBuyer(town: DemoTown): Promise<void> {
  await town.grid.json('up');
  await buyerAnswers(town);
}

/** Number of the process of the buyer's bot. */
export function buyerPid(town: DemoTown): Promise<number> {
  return town.until('the bot of the buyer to run', async () => {
    const { services } = await town.grid.json<Status>('status');
    const service = services[buyerService];
    return service?.phase === 'running' && (service.pid ?? undefined);
  });
}

/** Waits until the bot of the buyer answers its owner. */
export function buyerAnswers(town: DemoTown): Promise<boolean> {
  return town.until('the bot of the buyer to answer', () => town.buyer.answers(town.signal));
}
