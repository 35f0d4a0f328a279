import type { DatabaseSync } from 'node:sqlite';
import type { Clock, Logger } from '@commongrid/base';
import type { MethodCaller } from '../actors/typed-client.ts';
import type { BotCounts } from '../metrics/bot-counts.ts';
import type { Phonebook } from '../phonebook/phonebook.ts';
import { Buyer } from './buyer.ts';
import { FarmerLink } from './farmer-link.ts';
import { Farmer } from './farmer.ts';
import { LockMarket } from './lock-market.ts';
import { MarketLog } from './market-log.ts';
import type { MarketLogOptions } from './market-log.ts';
import { RuleFile } from './rule-file.ts';
import { Transcripts } from './transcripts.ts';

export interface MarketOptions {
  /** Id of this bot. */
  readonly self: string;
  /** Hash of the genesis of its log. */
  readonly logHash: string;
  readonly db: DatabaseSync;
  readonly use: MarketLogOptions['use'];
  readonly phonebook: Phonebook;
  readonly linkTo: (bot: string) => Promise<MethodCaller>;
  readonly isInCircle: (bot: string) => boolean;
  /** The rules of the farmer. */
  readonly rulesFile: string;
  /** Time for one answer of a farmer, ms. */
  readonly answerMs: number;
  /** How long a lock that a farmer says is there may take to be seen, ms. */
  readonly seenMs: number;
  /** Where what is said is counted. */
  readonly steps?: BotCounts['marketSteps'];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a bot sells and buys. */
export class Market {
  readonly farmer: Farmer;
  readonly buyer: Buyer;
  readonly locks: LockMarket;
  readonly ruleFile: RuleFile;
  readonly transcripts: Transcripts;

  constructor(options: MarketOptions) {
    const { self, logHash, db, use, phonebook, linkTo, answerMs, seenMs, clock } = options;
    const nowMs = (): number => clock.nowMs();
    const log = new MarketLog({ use, phonebook, nowMs });
    this.ruleFile = new RuleFile(options.rulesFile, options.logger);
    this.transcripts = new Transcripts(db, options.steps);
    this.farmer = new Farmer({
      ...{ self, logHash, db, log, clock, transcripts: this.transcripts },
      ...{ ruleFile: this.ruleFile, isInCircle: options.isInCircle },
    });
    const farmers = new FarmerLink({ linkTo, answerMs });
    this.buyer = new Buyer({
      ...{ self, logHash, db, log, phonebook, farmers, seenMs, clock },
      transcripts: this.transcripts,
    });
    this.locks = new LockMarket({ self, buyer: this.buyer, log, nowMs });
  }

  /** Clears away what is over. */
  forget(): void {
    this.farmer.forget();
    this.buyer.forget();
  }
}
