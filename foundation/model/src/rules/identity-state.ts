import type { BotId, FarmId, KeyText, NodeId } from '../fields.ts';
import type { Adoption } from '../records/adoption.ts';
import type { BotKey } from '../records/bot.ts';

/**
 * A place in the log and the log time there. Time never falls as the log grows, so of two moments the
 * later one is later in both.
 */
export interface Moment {
  readonly seq: number;
  /** Log time, milliseconds since 1970. */
  readonly at: number;
}

/** Whether `moment` lies behind `event`: a record at `moment` finds it done. */
export function isAfter(moment: Moment, event: Moment): boolean {
  return event.seq < moment.seq && event.at <= moment.at;
}

/** From when to when a key is valid. */
export interface KeySpan {
  readonly key: KeyText;
  readonly role: 'root' | BotKey['role'];
  readonly from: Moment;
  /** Its end, for whatever reason. */
  readonly to?: Moment;
  /** When it was called compromised. */
  readonly compromised?: Moment;
}

/** What the rules remember of a bot. Plain JSON. */
export interface BotState {
  readonly kind: 'bot';
  readonly id: BotId;
  /** All names that it ever had; the present one is the last. */
  readonly names: readonly string[];
  /** All roots that it ever had, in order; their spans do not overlap. */
  readonly roots: readonly KeySpan[];
  readonly keys: readonly KeySpan[];
  readonly recovery?: { readonly threshold: number; readonly keys: readonly KeyText[] };
  /** What the recovery keys asked for and did not yet come about, one vote each. */
  readonly votes: readonly RecoveryVote[];
  /** A quorum asked for this root; it comes at `due` unless it is vetoed. */
  readonly pending?: PendingRecovery;
}

export interface RecoveryVote {
  readonly key: KeyText;
  readonly root: KeyText;
  readonly moment: Moment;
}

export interface PendingRecovery {
  readonly root: KeyText;
  readonly threshold: number;
  /** The keys that asked for it. */
  readonly keys: readonly KeyText[];
  /** Sequence of the record that made the quorum, and the log time at which the root changes. */
  readonly due: Moment;
}

export interface FarmState {
  readonly kind: 'farm';
  readonly id: FarmId;
  readonly owner: BotId;
  readonly names: readonly string[];
}

export interface NodeState {
  readonly kind: 'node';
  readonly id: NodeId;
  readonly key: KeyText;
  /** The farm that the node wants to belong to. */
  readonly farm: FarmId;
  readonly adoption?: {
    readonly farm: FarmId;
    readonly standing: Adoption['standing'];
    readonly moment: Moment;
  };
  /** The newest session. */
  readonly session?: { readonly n: number; readonly bootId: string; readonly moment: Moment };
  /** Two machines were seen with this key, and it was not adopted again since. */
  readonly cloned?: Moment;
}

export type IdentityState = BotState | FarmState | NodeState;

/**
 * Keys that a state holds: what the fold answers `holderOf` by. Once held, always held, also when a
 * later state has the key no more.
 */
export function keysHeld(state: IdentityState): readonly string[] {
  if (state.kind === 'farm') return [];
  if (state.kind === 'node') return [state.key];
  return [
    ...[...state.roots, ...state.keys].map(({ key }) => key),
    ...state.votes.map(({ root }) => root),
  ];
}

/** Names that a state holds; the fold answers `nameHolder` by their skeletons. */
export function namesHeld(state: IdentityState): readonly string[] {
  return state.kind === 'node' ? [] : state.names;
}
