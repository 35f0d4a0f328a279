import type { BotId, NodeId, SharedAccountId } from '../fields.ts';
import type { RecordOf, RecordUrl } from '../record-types.ts';

/**
 * Whose feed it is: a bot's, a node's, that of the signers of an account, which has all of it from its first
 * revision on, or the one that everybody reads.
 */
export type ReaderId = BotId | NodeId | SharedAccountId | typeof everyone;

/** The feed that each reader follows beside its own. */
export const everyone = '*';

/** A change of one object. */
export interface Change {
  readonly url: string;
  readonly obj: string;
  /** The new payload; undefined for a deletion. */
  readonly value: unknown;
}

/** A record that was accepted, as `concerns` needs it. */
export interface ConcerningRecord extends Change {
  readonly ns: string;
  /** Key that signed it. */
  readonly author: string;
  /** Log time of the record, milliseconds since 1970. */
  readonly at: number;
}

/**
 * The state before the record, as far as it says who relies on what. All lookups are by an id; the
 * one index is `naming`, which the fold keeps with `namesIn` of each current payload of the
 * namespaces that have feeds.
 */
export interface ConcernsView {
  /** Current payload of an object. */
  current<Url extends RecordUrl>(url: Url, obj: string): RecordOf<Url> | undefined;
  current(url: string, obj: string): unknown;
  /** Objects of a type whose current payload names this id or key; in any order. */
  naming(url: string, id: string): Iterable<string>;
  /** Whether an escrow was paid out or given back for good. */
  isSettled(lock: string): boolean;
  /** Bot or node that lists the key, or ever did. */
  holderOf(key: string): BotId | NodeId | undefined;
  /** The change that a proposal is about; `version` is what approvals name it by. */
  proposal(version: string): Change | undefined;
}
