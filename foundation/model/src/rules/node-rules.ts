import type { KeyText } from '../fields.ts';
import type { NodeState } from './identity-state.ts';
import { accept, refuse } from './identity-view.ts';
import type { IdentityView, JudgedRecord, Verdict } from './identity-view.ts';
import { botBehind, nodeIdOf } from './keys.ts';

/** What a node is to the grid. Only on one `inService` is anything started. */
export type NodeStanding = 'unadopted' | 'inService' | 'cloned' | 'retired' | 'compromised';

export function nodeStanding({ adoption, farm, cloned }: NodeState): NodeStanding {
  if (adoption?.standing === 'compromised') return 'compromised';
  // An adoption counts for the farm that the node itself names, and for no other.
  if (adoption === undefined || adoption.farm !== farm) return 'unadopted';
  if (adoption.standing === 'retired') return 'retired';
  return cloned === undefined ? 'inService' : 'cloned';
}

/** Judges `grid.node.1`: a node speaks for itself, and names the farm that it wants. */
export function judgeNode(
  view: IdentityView,
  { value, author }: JudgedRecord<'grid.node.1'>,
): Verdict<NodeState> {
  const { id, farm } = value;
  if (id !== nodeIdOf(author)) return refuse('NODE_NOT_SELF');
  const holder = view.holderOf(author);
  if (holder !== undefined && holder !== id) return refuse('KEY_TAKEN');
  if (view.farm(farm) === undefined) return refuse('FARM_UNKNOWN');
  const former = view.node(id);
  if (former?.adoption?.standing === 'compromised') return refuse('NODE_ENDED');
  return accept({ ...former, kind: 'node', id, key: author as KeyText, farm });
}

/**
 * Judges `grid.session.1`. A boot counts one on from the last session. One that does not, because
 * that number is taken by another boot, shows a second machine with the same key: it is accepted,
 * since it is the evidence, and the node is a clone until it is adopted again.
 */
export function judgeSession(
  view: IdentityView,
  { value, author, moment }: JudgedRecord<'grid.session.1'>,
): Verdict<NodeState> {
  const state = view.node(value.node);
  if (state === undefined) return refuse('NODE_UNKNOWN');
  if (author !== state.key) return refuse('NODE_NOT_SELF');
  if (state.adoption?.standing === 'compromised') return refuse('NODE_ENDED');
  const last = state.session;
  const { n, bootId } = value;
  if (n > (last?.n ?? 0) + 1) return refuse('SESSION_GAP');
  if (last === undefined || n === last.n + 1) {
    return accept({ ...state, session: { n, bootId, moment } });
  }
  const isRepeated = n === last.n && bootId === last.bootId;
  return accept(isRepeated ? state : { ...state, cloned: state.cloned ?? moment });
}

/** What a heartbeat says of the machine that sent it. */
export interface SessionClaim {
  readonly n: number;
  readonly bootId: string;
  /** Size of the newest log that it had seen. */
  readonly seenSize: number;
}

/**
 * Whether a signed heartbeat comes from a second machine: from a session that is over, by somebody
 * who had seen the log in which a newer one began. A late heartbeat from before the boot had not.
 */
export function isCloneSign({ session }: NodeState, claim: SessionClaim): boolean {
  if (session === undefined || claim.n > session.n) return false;
  if (claim.n === session.n && claim.bootId === session.bootId) return false;
  return claim.seenSize > session.moment.seq;
}

/**
 * Judges `grid.adoption.1`: by a device of the farm's owner. A node is adopted by the farm that it
 * names; it is let go, or called compromised, by the farm that has it.
 */
export function judgeAdoption(
  view: IdentityView,
  { value, author, moment }: JudgedRecord<'grid.adoption.1'>,
): Verdict<NodeState> {
  const { farm: farmId, standing } = value;
  const farm = view.farm(farmId);
  if (farm === undefined) return refuse('FARM_UNKNOWN');
  if (botBehind(view, author, 'device', moment) !== farm.owner) return refuse('FARM_NOT_OWNER');
  const state = view.node(value.node);
  if (state === undefined) return refuse('NODE_UNKNOWN');
  if (state.adoption?.standing === 'compromised') return refuse('NODE_ENDED');
  const asked = standing === 'active' ? state.farm : (state.adoption?.farm ?? state.farm);
  if (asked !== farmId) return refuse('ADOPTION_NOT_ASKED');
  const { cloned, ...rest } = state;
  const adoption = { farm: farmId, standing, moment };
  if (standing === 'active' || cloned === undefined) return accept({ ...rest, adoption });
  return accept({ ...rest, adoption, cloned });
}
