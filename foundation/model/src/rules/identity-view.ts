import type { BotId, FarmId, NodeId } from '../fields.ts';
import type { IdentityCode } from '../errors.ts';
import type { RecordOf, RecordUrl } from '../record-types.ts';
import type { BotState, FarmState, IdentityState, Moment, NodeState } from './identity-state.ts';

/** What the rules of identity may look up: the state before the record. */
export interface IdentityView {
  /** Hash of the genesis, as in envelopes. */
  readonly log: string;
  bot(id: string): BotState | undefined;
  farm(id: string): FarmState | undefined;
  node(id: string): NodeState | undefined;
  /** Current payload of an object. */
  current<Url extends RecordUrl>(url: Url, obj: string): RecordOf<Url> | undefined;
  /** Who holds a key, or ever did: see `keysHeld`. */
  holderOf(key: string): BotId | NodeId | undefined;
  /** Bot or farm that has, or ever had, a name with this skeleton: see `namesHeld`. */
  nameHolder(kind: 'bot' | 'farm', skeleton: string): BotId | FarmId | undefined;
  /** Whether the key made this Ed25519 signature (base64url) for `keyProofDomain`. */
  isProof(key: string, payload: Uint8Array, signature: string): boolean;
}

/** A record under judgement. Its envelope and schema are checked already. */
export interface JudgedRecord<Url extends RecordUrl = RecordUrl> {
  readonly url: Url;
  readonly obj: string;
  readonly op: 'put' | 'del' | 'erase';
  /** Key that signed it. */
  readonly author: string;
  /** Its place in the log, and log time there. */
  readonly moment: Moment;
  readonly value: RecordOf<Url>;
}

export type Verdict<State extends IdentityState = IdentityState> =
  | { readonly isAccepted: true; readonly state: State }
  | { readonly isAccepted: false; readonly code: IdentityCode };

export function accept<State extends IdentityState>(state: State): Verdict<State> {
  return { isAccepted: true, state };
}

export function refuse(code: IdentityCode): Verdict<never> {
  return { isAccepted: false, code };
}
