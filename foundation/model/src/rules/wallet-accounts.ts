import { canonicalHash } from '@commongrid/crypto';
import type { WalletCode } from '../errors.ts';
import type { AccountId, BotId, Hash, KeyText, SharedAccountId } from '../fields.ts';
import type { Account } from '../records/account.ts';
import { isWhole } from './grid-view.ts';
import type { GridView } from './grid-view.ts';
import type { JudgedRecord } from './identity-view.ts';
import { botBehind, stillCounts } from './keys.ts';
import { acceptWallet, balanceOf, refuseWallet } from './wallet-ledger.ts';
import type { WalletVerdict } from './wallet-ledger.ts';
import type { ConsentState } from './wallet-state.ts';

/** A record that signers of an account agree to before it is appended. */
export interface ConsentedRecord {
  readonly log: string;
  readonly url: string;
  readonly value: unknown;
}

/** SHA-256 of the canonical text of log, url and value. */
export function consentSubject({ log, url, value }: ConsentedRecord): Hash {
  const bytes = canonicalHash({ log, url, value });
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true }) as Hash;
}

/**
 * Why a record may not be signed like this for an account: a device of its bot signs, or one of a
 * signer once enough of the others consented. Who lacks records judges its own account alone.
 * @param isKnown whether the view has all that is said of a bot that pays by itself
 */
export function payerFault(
  view: GridView,
  account: AccountId,
  record: JudgedRecord,
  isKnown = isWhole(view) || view.reader === account,
): WalletCode | undefined {
  const { author, moment } = record;
  const bot = botBehind(view, author, 'device', moment);
  if (isOwn(account)) {
    return bot === account || !isKnown ? undefined : 'ACCOUNT_NOT_SIGNER';
  }
  if (!isWhole(view)) return undefined;
  const shared = view.current('grid.account.1', account);
  return shared === undefined ? 'ACCOUNT_UNKNOWN' : signersFault(view, shared, bot, record);
}

/**
 * What signers of an account consented to a record with, as it is once the record is said: it lapsed. For
 * records that could be said again, to take back what was decided after them.
 */
export function spentConsents(
  view: GridView,
  account: AccountId,
  { url, value, moment }: JudgedRecord,
): readonly ConsentState[] {
  const signers = view.current('grid.account.1', account)?.signers ?? [];
  const subject = consentSubject({ log: view.log, url, value });
  return signers.flatMap((signer) => {
    const consent = view.money('consent', `${signer}/${subject}`);
    const isOpen = consent?.account === account && moment.at < consent.expMs;
    return isOpen ? [{ ...consent, expMs: moment.at }] : [];
  });
}

/** Whether nobody has, or can have, such an account. */
export function isUnknownAccount(view: GridView, account: AccountId): boolean {
  if (!isWhole(view)) return false;
  const known = isOwn(account) ? view.bot(account) : view.current('grid.account.1', account);
  return known === undefined;
}

/** Judges `grid.account.1`: the first one by any signer, later ones by as many as it asks for. */
export function judgeAccount(
  view: GridView,
  record: JudgedRecord<'grid.account.1'>,
): WalletVerdict {
  const { author, moment, value } = record;
  const { id, revision, signers, min } = value;
  if (min > signers.length) return refuseWallet('ACCOUNT_MIN');
  if (isWhole(view) && signers.some((bot) => view.bot(bot) === undefined)) {
    return refuseWallet('ACCOUNT_SIGNER_UNKNOWN');
  }
  const former = view.current('grid.account.1', id);
  const bot = botBehind(view, author, 'device', moment);
  if (isWhole(view)) {
    if (revision !== (former?.revision ?? 0) + 1) return refuseWallet('ACCOUNT_REVISION');
    const isFounder = signers.some((signer) => signer === bot);
    const fault = former === undefined ? undefined : signersFault(view, former, bot, record);
    if (fault !== undefined) return refuseWallet(fault);
    if (former === undefined && !isFounder) return refuseWallet('ACCOUNT_NOT_SIGNER');
  }
  return acceptWallet(view, []);
}

/** Judges `grid.consent.1`: by a signer of the account, of what it is now. */
export function judgeConsent(
  view: GridView,
  { obj, value, author, moment }: JudgedRecord<'grid.consent.1'>,
): WalletVerdict {
  const { account, by, expMs } = value;
  if (expMs <= moment.at) return refuseWallet('CONSENT_EXPIRED');
  if (isWhole(view)) {
    const shared = view.current('grid.account.1', account);
    if (shared === undefined) return refuseWallet('ACCOUNT_UNKNOWN');
    const isSigner = botBehind(view, author, 'device', moment) === by;
    if (!isSigner || !shared.signers.includes(by)) return refuseWallet('ACCOUNT_NOT_SIGNER');
  }
  const key = author as KeyText;
  return acceptWallet(view, [], { kind: 'consent', id: obj, account, key, moment, expMs });
}

/** Judges `grid.currency.1`: issuer and decimals stay, and a promised limit is never raised. */
export function judgeCurrency(
  view: GridView,
  record: JudgedRecord<'grid.currency.1'>,
): WalletVerdict {
  const { code, decimals, issuer, maxSupply } = record.value;
  if (isUnknownAccount(view, issuer)) return refuseWallet('ACCOUNT_UNKNOWN');
  const former = view.current('grid.currency.1', code);
  if (former !== undefined && (former.issuer !== issuer || former.decimals !== decimals)) {
    return refuseWallet('CURRENCY_FIXED');
  }
  const fault = payerFault(view, issuer, record);
  if (fault !== undefined) return refuseWallet(fault);
  const most = former?.maxSupply;
  if (most !== undefined && (maxSupply === undefined || BigInt(maxSupply) > BigInt(most))) {
    return refuseWallet('CURRENCY_SUPPLY');
  }
  const out = -balanceOf(view, issuer, code);
  const isOver = maxSupply !== undefined && isWhole(view) && out > BigInt(maxSupply);
  if (isOver) return refuseWallet('CURRENCY_SUPPLY');
  return acceptWallet(view, [], ...spentConsents(view, issuer, record));
}

function signersFault(
  view: GridView,
  { id, signers, min }: Account,
  bot: BotId | undefined,
  { url, value, moment }: JudgedRecord,
): WalletCode | undefined {
  if (bot === undefined || !signers.includes(bot)) return 'ACCOUNT_NOT_SIGNER';
  const subject = consentSubject({ log: view.log, url, value });
  const others = signers.filter((signer) => {
    if (signer === bot) return false;
    const consent = view.money('consent', `${signer}/${subject}`);
    if (consent?.account !== id || moment.at >= consent.expMs) return false;
    return stillCounts(view, consent.key, consent.moment, moment);
  });
  return 1 + others.length >= min ? undefined : 'ACCOUNT_CONSENT_MISSING';
}

function isOwn(account: AccountId): account is Exclude<AccountId, SharedAccountId> {
  return account.startsWith('bot:');
}
