import { createRegistry, MetricsServer } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { BotId } from '@commongrid/model';
import type { Bot } from '@commongrid/threebot';

import { publishContracts } from '../../bot-service/contract-metrics.ts';
import { contractsActor } from '../../bot-service/contracts-actor.ts';
import { ControllerFile } from '../../bot-service/controller-file.ts';
import type { KeptContracts } from '../../bot-service/kept-contracts.ts';
import { LateBotService } from '../../bot-service/late-bot-service.ts';
import { sealingKeyOf } from '../../key-file.ts';
import type { Address } from '../zdb/connection.ts';
import type { BotFolder } from './bot-folder.ts';

/** Where a bot that runs is to be found. */
export interface BotDoors {
  readonly listen: Address;
  readonly redis?: Address;
  readonly relay?: readonly string[];
  readonly metrics?: Address;
}

export interface RoundOptions {
  readonly folder: BotFolder;
  readonly doors: BotDoors;
  readonly papers: KeptContracts;
  readonly logger: Logger;
}

/** A bot with one key, all that it does by itself included: until it ends, or gets another key. */
export class BotRound implements AsyncDisposable {
  readonly bot: Bot;
  readonly service: LateBotService;
  readonly metrics: MetricsServer | undefined;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    parts: { readonly bot: Bot; readonly service: LateBotService },
    metrics: MetricsServer | undefined,
    stack: AsyncDisposableStack,
  ) {
    this.bot = parts.bot;
    this.service = parts.service;
    this.metrics = metrics;
    this.#stack = stack;
  }

  /** With the key that its folder has now. @throws see `Bot.open` */
  static async open({ folder, doors, papers, logger }: RoundOptions): Promise<BotRound> {
    await using stack = new AsyncDisposableStack();
    const { id, url, trust } = await folder.config();
    const { Bot: Opened } = await import('@commongrid/threebot');
    const key = await folder.device();
    const former = await folder.formerKeys();
    const registry =
      doors.metrics === undefined ? undefined : createRegistry({ withProcessMetrics: true });
    const late: { service?: LateBotService } = {};
    const bot = stack.use(
      await Opened.open({
        ...{ folder: folder.data, id, key, url, trust, listen: doors.listen },
        papers: folder.path,
        sealingKeys: [key, ...former].map(sealingKeyOf),
        heads: folder.heads(trust),
        ownerToken: await folder.ownerToken(),
        ...(doors.redis === undefined ? {} : { redis: doors.redis }),
        relays: doors.relay ?? [],
        actors: [
          contractsActor(
            papers,
            () => late.service?.desk,
            () => late.service?.endpoints,
          ),
        ],
        ...(registry === undefined ? {} : { registry }),
        logger,
      }),
    );
    const service = stack.use(
      new LateBotService({
        ...{ bot: id as BotId, url, trust, key, papers, logger, running: bot },
        ...{ folder: folder.feed, storesFolder: folder.stores, market: bot.lockMarket },
        ...{ memory: new ControllerFile(folder.controllerFile), notices: bot.notices },
        atLog: (work, stop) => bot.atLog(work, stop),
      }),
    );
    late.service = service;
    if (registry === undefined || doors.metrics === undefined) {
      return new BotRound({ bot, service }, undefined, stack.move());
    }
    publishContracts(registry, () => service.contracts());
    const metrics = stack.use(await MetricsServer.open({ registry, logger, ...doors.metrics }));
    return new BotRound({ bot, service }, metrics, stack.move());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
