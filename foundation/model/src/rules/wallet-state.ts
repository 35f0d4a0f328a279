import type {
  AccountId,
  ContractId,
  FarmId,
  Hash,
  KeyText,
  LockId,
  NodeId,
  TransferId,
} from '../fields.ts';
import type { Resources } from '../records/contract-role.ts';
import type { Moment } from './identity-state.ts';

/** Receipts of one lock that wait for a release: 42 days, hour by hour. */
export const receiptsWaitingMax = 1024;
/** Objections of one lock to seconds that were not released yet. */
export const objectionsMax = 32;
/** Stretches of presence of one node that are remembered: the newest ones. */
export const presenceSpansMax = 1024;
/** Open locks of one node. */
export const nodeLocksMax = 1024;

/** From, inclusive, and to, exclusive: milliseconds since 1970. */
export type Span = readonly [fromMs: number, toMs: number];

/**
 * Whoever holds money in the ledger: a bot, several bots, a lock that was funded, or a transfer that
 * waits for its condition.
 */
export type HolderId = AccountId | LockId | TransferId;

/** What an account has of one currency. Plain JSON, as all states are. */
export interface BalanceState {
  readonly kind: 'balance';
  /** Account and currency with a space between. */
  readonly id: string;
  /** Smallest units, decimal; below zero for an issuer in its own currency only. */
  readonly amount: string;
}

/** A signer of a shared account agreed to a record. */
export interface ConsentState {
  readonly kind: 'consent';
  /** `BOT/SUBJECT`, as the record is called. */
  readonly id: string;
  readonly account: string;
  readonly key: KeyText;
  readonly moment: Moment;
  readonly expMs: number;
}

/** A transfer that waits for its condition, and later how that ended. */
export interface HoldState {
  readonly kind: 'hold';
  readonly id: TransferId;
  readonly from: AccountId;
  readonly to: AccountId;
  readonly amount: string;
  readonly currency: string;
  readonly hash: Hash;
  readonly untilMs: number;
  readonly outcome?: 'paid' | 'returned';
}

/** The escrow of one lock: funded = released + refunded + held. */
export interface EscrowState {
  readonly kind: 'escrow';
  readonly id: LockId;
  /** Who paid, and gets back what is left. */
  readonly from: AccountId;
  readonly funded: string;
  readonly released: string;
  readonly refunded: string;
  /** Seconds that were due at releases so far. */
  readonly paidSeconds: number;
  /** End of the last receipt that was released: nothing before it is paid again. */
  readonly cursorMs: number;
  /** When a placement had the lock; one stretch, and no other after it. */
  readonly place?: { readonly fromMs: number; readonly untilMs?: number };
  /** In order of time: from, to, healthy seconds. None is released yet. */
  readonly receipts: readonly (readonly [fromMs: number, toMs: number, healthySeconds: number])[];
  readonly objections: readonly ObjectionState[];
  /** Nothing is held any more, for good. */
  readonly isClosed?: true;
  /** Log time since which receipts claim all of it, or it is closed: nobody pays for what comes. */
  readonly emptySinceMs?: number;
}

export interface ObjectionState {
  readonly id: string;
  readonly span: Span;
  readonly moment: Moment;
  readonly words: { readonly [Party in ObjectionParty]?: ObjectionWord };
}

/** Who decides over an objection: two of the three. */
export type ObjectionParty = 'buyer' | 'farmer' | 'arbiter';
export type ObjectionWord = 'pay' | 'refund';

/** When heartbeats of a node came in, as summaries say; in order, none touching the next. */
export interface AttendanceState {
  readonly kind: 'attendance';
  readonly id: NodeId;
  readonly spans: readonly Span[];
}

/** What a contract put aside, and what its lease holder spent of an allowance. */
export interface SpendingState {
  readonly kind: 'spending';
  readonly id: ContractId;
  /** Funded and not given back, smallest units. */
  readonly funded: string;
  readonly byHolder: readonly { readonly at: number; readonly amount: string }[];
}

/** Capacity of a node that open locks keep. */
export interface RoomState {
  readonly kind: 'room';
  readonly id: NodeId;
  readonly locks: readonly {
    readonly id: LockId;
    readonly resources: Resources;
    /** When it lapses; none once it is funded. */
    readonly expiresMs?: number;
  }[];
}

/** Public IPv4 addresses of a farm that locks on its nodes keep, for as long as these are open. */
export interface AddressesState {
  readonly kind: 'addresses';
  readonly id: FarmId;
  readonly locks: readonly {
    readonly id: LockId;
    readonly node: NodeId;
    /** How many. */
    readonly ipv4: number;
  }[];
}

/** Locks that a farmer offers a buyer and that are not funded yet. */
export interface OfferState {
  readonly kind: 'offer';
  /** Buyer and farm with a space between. */
  readonly id: string;
  readonly locks: readonly {
    readonly id: LockId;
    readonly contract: ContractId;
    readonly expiresMs: number;
  }[];
}

export type WalletState =
  | AddressesState
  | AttendanceState
  | BalanceState
  | ConsentState
  | EscrowState
  | HoldState
  | OfferState
  | RoomState
  | SpendingState;

/** The state of this kind. */
export type WalletStateOf<Kind extends WalletState['kind']> = Extract<
  WalletState,
  { readonly kind: Kind }
>;

/** What the rules of money may look up beside records. */
export interface MoneyView {
  money<Kind extends WalletState['kind']>(kind: Kind, id: string): WalletStateOf<Kind> | undefined;
}

/** What an escrow holds, smallest units. */
export function heldBy({ funded, released, refunded }: EscrowState): bigint {
  return BigInt(funded) - BigInt(released) - BigInt(refunded);
}
