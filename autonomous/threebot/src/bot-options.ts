import type { Clock, Logger, MetricsRegistry } from '@commongrid/base';
import type { SealingKey, SigningKey } from '@commongrid/crypto';
import type { ListenAddress } from '@commongrid/resp';
import type { Actor } from './actors/actor.ts';
import type { BotLimits } from './config.ts';
import type { HeadsKeeper, LogViewOptions } from './log-view.ts';

export interface BotOptions {
  /** Folder of its tables; made when missing. One process at a time holds it. */
  readonly folder: string;
  /** Folder of the bot, whose papers go into its backups. Default: there are no backups. */
  readonly papers?: string;
  /** Id of the bot: its record is in the phonebook already. */
  readonly id: string;
  /** A device key that the record lists. */
  readonly key: SigningKey;
  /** They open messages: that of the key first, then those of former keys. */
  readonly sealingKeys: readonly SealingKey[];
  /** HTTP door of the database with the phonebook. */
  readonly url: string;
  readonly trust: LogViewOptions['trust'];
  readonly heads: HeadsKeeper;
  /** 32 random bytes, base64url: who shows it is the owner. */
  readonly ownerToken: string;
  /** Address of the door for HTTPS and links. Port 0 takes a free one. */
  readonly listen: ListenAddress;
  /** Address of the door of the Redis protocol. Default: there is none. */
  readonly redis?: ListenAddress;
  /** What it does, besides what every bot does. */
  readonly actors?: readonly Actor[];
  /** Ids of bots that keep messages for this one while it is away. */
  readonly relays?: readonly string[];
  /** File with the rules by which it sells capacity of its farms. Default: `farmer.json` in its folder. */
  readonly farmerFile?: string;
  /** Where it publishes metrics. Default: nowhere. */
  readonly registry?: MetricsRegistry;
  readonly limits?: Partial<BotLimits>;
  readonly logger?: Logger;
  readonly clock?: Clock;
}
