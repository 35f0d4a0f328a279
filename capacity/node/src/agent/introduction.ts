import { isDeepStrictEqual } from 'node:util';
import type { FarmId, Node, NodeId, NodeState, RecordOf } from '@commongrid/model';
import type { NodeSession, NodeStatement } from '../ports.ts';

/** What a node says of itself. */
export type NodeFacts = Omit<Node, 'id' | 'farm'> & { readonly id: NodeId; readonly farm: FarmId };

/** What of a node is in the log. */
export interface KnownNode {
  readonly record: RecordOf<'grid.node.1'> | undefined;
  readonly state: NodeState | undefined;
  /** The session of this boot, as it was said last. */
  readonly session: RecordOf<'grid.session.1'> | undefined;
}

/**
 * What a node has to say of itself before it is as the log knows it: its record when something has
 * changed, and a session for each run of the machine. When another boot has begun a session after that of
 * this one, a second machine has its key: then it says nothing but its own session again, which is the
 * evidence. Of a clone neither says anything until the node is adopted anew. Pure.
 */
export function introduction(
  facts: NodeFacts,
  bootId: string,
  { record, state, session: said }: KnownNode,
): { readonly statements: readonly NodeStatement[]; readonly session: NodeSession } {
  const last = state?.session;
  const isNewest = last?.bootId === bootId;
  const isCrossed = !isNewest && said !== undefined && !isAdoptedSince(state);
  const own = isCrossed ? said.n : (last?.n ?? 0) + (isNewest ? 0 : 1);
  const session = { n: own, bootId };
  if (state?.cloned !== undefined && (isNewest || isCrossed)) return { statements: [], session };
  const statements: NodeStatement[] = [];
  if (!isCrossed && !isDeepStrictEqual(record, { ...facts })) {
    statements.push({ url: 'grid.node.1', obj: facts.id, value: facts });
  }
  if (!isNewest) {
    const value = { node: facts.id, ...session };
    statements.push({ url: 'grid.session.1', obj: `${facts.id}/${bootId}`, value });
  }
  return { statements, session };
}

/** Whether its farm took it anew since its newest session began. */
function isAdoptedSince(state: NodeState | undefined): boolean {
  const { adoption, session, cloned } = state ?? {};
  if (adoption === undefined || session === undefined || cloned !== undefined) return false;
  return adoption.moment.seq > session.moment.seq;
}
