import { HttpLightSource } from '@commongrid/bcdb/client';
import type { ContractPaper } from '@commongrid/contract';
import { recordTypes } from '@commongrid/model';
import { NoticeKeeper } from '@commongrid/threebot';
import type { NoticeBook } from '@commongrid/threebot';
import { SettleService, Wallet } from '@commongrid/wallet';
import type { Rail } from '@commongrid/wallet';

import { readLogFacts } from '../node/log-facts.ts';
import { BotGrid } from './bot-grid.ts';
import type { BotGridOptions } from './bot-grid.ts';
import { ContractStores } from '../contract-store/contract-stores.ts';
import { ContractsDesk } from './contracts-desk.ts';
import type { ContractsDeskOptions } from './contracts-desk.ts';
import { EndpointDesk } from '../front-door/endpoint-desk.ts';
import { givenOf } from './kept-contracts.ts';
import type { KeptContracts } from './kept-contracts.ts';

export type BotServiceOptions = Omit<BotGridOptions, 'releaseKeys' | 'source' | 'logger'> &
  Omit<ContractsDeskOptions, 'grid' | 'stores' | 'papers' | 'proposals' | 'onBlocked'> & {
    readonly papers: KeptContracts;
    /** Folder for backends files of contracts that stores use. */
    readonly storesFolder: string;
    /** Gets what the owner should know. Without one, he is told nothing. */
    readonly notices?: NoticeBook | undefined;
    /** Gives up while it waits for the database. */
    readonly signal: AbortSignal;
  };

/** Time for the database to say how its log began, and for a record that nobody waits for, ms. */
const answerMs = 60_000;

/** What a bot does by one feed and one connection: it controls contracts, settles money, tells its owner. */
export class BotService implements AsyncDisposable {
  readonly contracts: ContractsDesk;
  readonly endpoints: EndpointDesk;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    { contracts, endpoints }: Pick<BotService, 'contracts' | 'endpoints'>,
    stack: AsyncDisposableStack,
  ) {
    this.contracts = contracts;
    this.endpoints = endpoints;
    this.#stack = stack;
  }

  /** @throws BCDB_OTHER_LOG, BCDB_UNREACHABLE */
  static async open(options: BotServiceOptions): Promise<BotService> {
    await using stack = new AsyncDisposableStack();
    const { url, trust, key, atLog, logger, signal } = options;
    const { releaseKeys } = await atLog(
      (client) => readLogFacts(client, trust.log),
      AbortSignal.any([signal, AbortSignal.timeout(answerMs)]),
    );
    const source = new HttpLightSource({ url, log: trust.log, key });
    const grid = stack.use(await BotGrid.open({ ...options, releaseKeys, source }));
    const { bot, papers, storesFolder: folder } = options;
    const stores = stack.use(ContractStores.open({ folder, grid, papers, logger }));
    const late: { keeper?: NoticeKeeper } = {};
    const onBlocked = (): void => late.keeper?.look();
    const keep = async (paper: ContractPaper): Promise<void> => {
      await papers.keep(givenOf(paper));
    };
    const more = { grid, stores, proposals: { owner: bot, keep }, onBlocked };
    const contracts = stack.use(ContractsDesk.open({ ...options, ...more }));
    const wallet = new Wallet(railOf(options, grid));
    stack.use(new SettleService({ wallet, logger, news: (stop) => grid.news(stop) }));
    if (options.notices !== undefined) {
      late.keeper = stack.use(
        new NoticeKeeper({
          ...{ bot: options.bot, book: options.notices, grid, logger },
          blocked: () => contracts.blocked(),
        }),
      );
    }
    const endpoints = stack.use(new EndpointDesk({ owner: bot, grid }));
    return new BotService({ contracts, endpoints }, stack.move());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** Money by the feed and the connection that the bot has anyway. */
function railOf({ bot, trust }: BotServiceOptions, grid: BotGrid): Rail {
  return {
    log: trust.log,
    bot,
    sync: (options = {}) => grid.now(options),
    say: (url, value, { signal = AbortSignal.timeout(answerMs) } = {}) => {
      const obj = recordTypes.get(url)?.objectOf(value) ?? '';
      return grid.write({ url, obj, value }, { signal });
    },
  };
}
