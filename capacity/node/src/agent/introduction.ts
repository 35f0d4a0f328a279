import { isDeepStrictEqual } from 'node:util';
import type { FarmId, Node, NodeId, NodeState, RecordOf } from '@commongrid/model';
import type { NodeSession, NodeStatement } from '../ports.ts';

/** What a node says of itself. */
export type NodeFacts = Omit<Node, 'id' | 'farm'> & { readonly id: NodeId; readonly farm: FarmId };

/** What of a node is in the log. */
export interface KnownNode {
  readonly record: RecordOf<'grid.node.1'> | undefined;
  readonly state: NodeState | undefined;
}

/**
 * What a node has to say of itself before it is as the log knows it: its record when something has
 * changed, and a session for each run of the machine. Pure.
 */
export function introduction(
  facts: NodeFacts,
  bootId: string,
  { record, state }: KnownNode,
): { readonly statements: readonly NodeStatement[]; readonly session: NodeSession } {
  const statements: NodeStatement[] = [];
  if (!isDeepStrictEqual(record, { ...facts })) {
    statements.push({ url: 'grid.node.1', obj: facts.id, value: facts });
  }
  const known = state?.session;
  if (known?.bootId === bootId) return { statements, session: { n: known.n, bootId } };
  const session = { n: (known?.n ?? 0) + 1, bootId };
  statements.push({
    ...{ url: 'grid.session.1', obj: `${facts.id}/${bootId}` },
    value: { node: facts.id, ...session },
  });
  return { statements, session };
}
