import { GridError } from '@commongrid/base';
import type { BotErrorCode } from '../errors.ts';

/**
 * Who may call a method: anybody; every bot that proved itself by the phonebook; those whom the owner
 * counts to his circle; those who may administer; the owner alone. Each includes those after it.
 */
export const permissions = ['public', 'known', 'circle', 'admin', 'owner'] as const;
export type Permission = (typeof permissions)[number];

/** By which way a call came; `control`: from a program of the owner on the same machine. */
export type Way = 'link' | 'http' | 'redis' | 'mailbox' | 'control';

/** Who calls, after it was proven. */
export interface Caller {
  /** Id of the bot; undefined for who did not say who it is. */
  readonly bot: string | undefined;
  /** Name of the app, where it showed the token of one: it may use what is for apps alone. */
  readonly app?: string;
  readonly standing: Permission;
  /** What the phonebook says of it may have changed since: then it has no more rights than all bots have. */
  readonly isOld?: boolean;
  readonly way: Way;
  /** Whom limits count it to: the bot, or the address. */
  readonly account: string;
}

/** A bot that was proven. */
export function provenCaller(bot: string, standing: Permission, way: Way): Caller {
  return { bot, standing, way, account: bot };
}

/** A bot that was proven by a record which nobody can say to be the newest. */
export function formerlyProvenCaller(bot: string, way: Way): Caller {
  return { bot, standing: 'known', isOld: true, way, account: bot };
}

/**
 * @param isForApps whether those may call the method that show the token of an app
 * @throws BOT_SENDER_UNKNOWN, BOT_NOT_PERMITTED, BOT_RECORD_STALE
 */
export function requirePermission(
  { bot, app, standing, isOld = false }: Caller,
  needed: Permission,
  isForApps: boolean,
): void {
  if (app !== undefined && !isForApps) {
    throw new GridError<BotErrorCode>(
      'BOT_NOT_PERMITTED',
      'the token of an app is for data alone',
      {
        hint: 'call the methods of the actor data that are for apps',
        details: { app },
      },
    );
  }
  if (permissions.indexOf(standing) >= permissions.indexOf(needed)) return;
  if (bot === undefined) {
    throw new GridError<BotErrorCode>('BOT_SENDER_UNKNOWN', 'this is for bots that are known', {
      hint: 'connect with the certificate of a key of the phonebook, or show the token of the owner',
      details: { needed },
    });
  }
  if (isOld) {
    throw new GridError<BotErrorCode>(
      'BOT_RECORD_STALE',
      `this is for: ${needed}, and the database does not say who you are now`,
      { hint: 'try again when it answers', retryable: true, details: { needed } },
    );
  }
  throw new GridError<BotErrorCode>('BOT_NOT_PERMITTED', `this is for: ${needed}`, {
    hint: 'let its owner allow it: grid bot call NAME people.allow',
    details: { needed, standing },
  });
}
