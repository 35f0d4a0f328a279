/** What `wallet` throws. `code` is stable; texts may change. */
export type WalletErrorCode =
  | 'WALLET_ACCOUNT_UNSEEN' // not all that this account did is known here: ask where it has been a signer from the start
  | 'WALLET_AMOUNT_INVALID' // not a number of this currency: give fewer digits behind the point
  | 'WALLET_KEY_REUSED' // the key was used for another transfer: choose another key
  | 'WALLET_LOCK_UNKNOWN'; // the bot was told of no such lock: ask the farmer for it
