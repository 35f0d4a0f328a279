export { actor, method } from './actors/actor.ts';
export type {
  Actor,
  CallContext,
  EffectContext,
  EffectMethod,
  HandledMethod,
  Method,
  Outgoing,
} from './actors/actor.ts';
export type { Caller, Permission } from './actors/caller.ts';
export { actorClient } from './actors/typed-client.ts';
export type { ActorClient, MethodCaller } from './actors/typed-client.ts';
export { Bot } from './bot.ts';
export type { BotOptions } from './bot-options.ts';
export { defaultLimits } from './config.ts';
export type { BotLimits } from './config.ts';
export type { BotErrorCode } from './errors.ts';
export type { HeadsKeeper } from './log-view.ts';
export type { LockMarket } from './market/lock-market.ts';
export { Files } from './data/files.ts';
export { formatGridAddress, parseGridAddress } from './data/grid-address.ts';
export type { GridAddress } from './data/grid-address.ts';
export type { BlockedContract } from './notices/blocked-findings.ts';
export type { Notice, NoticeBook } from './notices/notice-book.ts';
export { NoticeKeeper } from './notices/notice-keeper.ts';
export { readEntry } from './phonebook/bot-entry.ts';
export type { BotEntry } from './phonebook/bot-entry.ts';
export { isKeptElsewhere } from './recovery/backup-files.ts';
export { fetchBackup } from './recovery/backup-places.ts';
export type { FetchedBackup, S3Key } from './recovery/backup-places.ts';
export { openBackup } from './recovery/sealed-backup.ts';
export type { OpenedBackup } from './recovery/sealed-backup.ts';
export { holdToLog, seenHeadPath } from './recovery/seen-head.ts';
