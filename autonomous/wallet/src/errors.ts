/** What `wallet` throws. `code` is stable; texts may change. */
export type WalletErrorCode =
  | 'WALLET_ACCOUNT_UNSEEN' // not all that this account did is known here: ask where it has been a signer from the start
  | 'WALLET_ACCOUNT_ALONE' // the account is that of one bot, whose word is enough: no others agree
  | 'WALLET_AMOUNT_INVALID' // not a number of this currency: give fewer digits behind the point
  | 'WALLET_KEY_REUSED' // the key was used for another transfer: choose another key
  | 'WALLET_LOCK_UNKNOWN' // the bot was told of no such lock: ask the farmer for it
  | 'WALLET_OBJECTION_UNKNOWN' // the bot was told of no such objection: ask who made it for its id
  | 'WALLET_ORDER_INVALID'; // this is no order of a wallet: give a file that was written with --order
