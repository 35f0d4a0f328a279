import { isWalletUrl } from '@commongrid/model';
import type { Genesis } from '../record/genesis.ts';
import { Contracts } from './contracts.ts';
import type { Identities } from './identities.ts';
import { ruleBroken } from './refusal.ts';
import type { StateView } from './state-view.ts';
import type { ValidatedChange, Validator } from './validator.ts';

/**
 * Rules of the namespace of money: who pays whom, and what is held for whom. What its records name of
 * contracts, locks, receipts and presence is read from the namespace of the grid, in the same log.
 */
export function walletValidator(
  identities: Identities,
  genesis: Pick<Genesis, 'releaseKeys'>,
): Validator {
  return (view: StateView, change: ValidatedChange): void => {
    const { url, obj, author } = change;
    if (!isWalletUrl(url)) throw ruleBroken(`${url} ${obj}`, 'WALLET_TYPE_UNKNOWN');
    if (!identities.maySpeak(author)) throw ruleBroken(`${url} ${obj}`, 'KEY_ENDED');
    new Contracts(view, identities, genesis.releaseKeys).judgeMoney(url, change);
  };
}
