import { HttpLightSource } from '@commongrid/bcdb/client';

import { readLogFacts } from '../node/log-facts.ts';
import { BotGrid } from './bot-grid.ts';
import type { BotGridOptions } from './bot-grid.ts';
import { ContractsDesk } from './contracts-desk.ts';
import type { ContractsDeskOptions } from './contracts-desk.ts';

export type OpenContractsOptions = Omit<BotGridOptions, 'releaseKeys' | 'source' | 'logger'> &
  Omit<ContractsDeskOptions, 'grid'>;

/** Time for the database to say how its log began, ms. */
const factsMs = 60_000;

/**
 * The controller of a bot's contracts, at work until it is closed.
 * @throws BCDB_OTHER_LOG, BCDB_UNREACHABLE
 */
export async function openContracts(options: OpenContractsOptions): Promise<ContractsDesk> {
  await using stack = new AsyncDisposableStack();
  const { url, trust, key, atLog } = options;
  const { releaseKeys } = await atLog(
    (client) => readLogFacts(client, trust.log),
    AbortSignal.timeout(factsMs),
  );
  const source = new HttpLightSource({ url, log: trust.log, key });
  const grid = stack.use(await BotGrid.open({ ...options, releaseKeys, source }));
  return ContractsDesk.open({ ...options, grid }, stack.move());
}
