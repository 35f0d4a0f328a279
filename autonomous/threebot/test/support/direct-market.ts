import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { GridError, silentLogger, systemClock } from '@commongrid/base';
import { BcdbClient } from '@commongrid/bcdb/client';
import { defaultLimits } from '../../src/config.ts';
import { marketTables } from '../../src/market/market-tables.ts';
import type { MarketLogOptions } from '../../src/market/market-log.ts';
import { Market } from '../../src/market/market.ts';
import { transcriptTable } from '../../src/market/transcripts.ts';
import { KeptEntries } from '../../src/phonebook/kept-entries.ts';
import { Phonebook } from '../../src/phonebook/phonebook.ts';
import type { Self } from './grid.ts';
import type { MarketScene } from './market-scene.ts';

/** Answers to calls of a buyer, in place of a link. */
export type Answers = (method: string, input: unknown) => Promise<unknown>;

export interface DirectMarketOptions {
  /** Stands between the market and its database. */
  readonly use?: (client: BcdbClient) => MarketLogOptions['use'];
  /** See `MarketOptions`. Default: a minute, on machines that others keep busy. */
  readonly answerMs?: number;
  readonly seenMs?: number;
}

/** What a market has of a bot, without its doors: for farmers that lie and processes that die. */
export async function directMarket(
  { grid }: MarketScene,
  { id, name, device }: Self,
  answers: Answers = silent,
  { use, answerMs = 60_000, seenMs = 60_000 }: DirectMarketOptions = {},
): Promise<Market> {
  const client = await BcdbClient.connect({ url: grid.url, trust: grid.trust, key: device });
  const db = new DatabaseSync(join(grid.folder, `${name}.sqlite`));
  db.exec(`${marketTables}${transcriptTable}`);
  const atOnce: MarketLogOptions['use'] = (work, signal) => work(client, signal);
  const asked = use?.(client) ?? atOnce;
  const phonebook = new Phonebook({
    ...{ use: atOnce, seen: { seen: () => -1, note: () => {} } },
    ...{ ...defaultLimits, kept: KeptEntries.open(':memory:') },
  });
  return new Market({
    ...{ self: id, logHash: grid.trust.log, db, use: asked, phonebook },
    linkTo: async () => ({ call: (method, input) => answers(method, input) }),
    ...{ isInCircle: () => false, rulesFile: join(grid.folder, `${name}.json`) },
    ...{ answerMs, seenMs, clock: systemClock, logger: silentLogger },
  });
}

/** As the bot of a farmer answers a buyer. */
export function answersOf({ farmer }: Market, buyer: string): Answers {
  const signal = AbortSignal.timeout(60_000);
  return async (method, input) => {
    if (method === 'market.quote') return farmer.quote(input as never, buyer, signal);
    if (method === 'market.counter') return farmer.counter(input as never, buyer);
    return farmer.lock(input as never, buyer, signal);
  };
}

async function silent(): Promise<never> {
  throw new GridError('BOT_UNREACHABLE', 'nobody answers');
}
