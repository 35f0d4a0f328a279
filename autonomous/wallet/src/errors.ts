import { GridError } from '@commongrid/base';
import type { AccountId, BotId } from '@commongrid/model';

/** What `wallet` throws. `code` is stable; texts may change. */
export type WalletErrorCode =
  | 'WALLET_ACCOUNT_UNSEEN' // what an account does is told to its bot, or its signers, alone: ask one of them
  | 'WALLET_ACCOUNT_ALONE' // the account is that of one bot, whose word is enough: no others agree
  | 'WALLET_AMOUNT_INVALID' // not a number of this currency: give fewer digits behind the point
  | 'WALLET_KEY_REUSED' // the key was used for another transfer: choose another key
  | 'WALLET_LOCK_UNKNOWN' // the bot was told of no such lock: ask the farmer for it
  | 'WALLET_OBJECTION_UNKNOWN' // the bot was told of no such objection: ask who made it for its id
  | 'WALLET_ORDER_INVALID'; // this is no order of a wallet: give a file that was written with --order

/** An account that a bot has no part in. */
export function accountUnseen(
  bot: BotId,
  account: AccountId,
  cause?: unknown,
): GridError<WalletErrorCode> {
  return new GridError('WALLET_ACCOUNT_UNSEEN', `${bot} is not told of what ${account} does`, {
    hint: 'ask a bot that is a signer of it',
    details: { account },
    cause,
  });
}
