import { isGridError } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import type { NodeId, Presence, Session } from '@commongrid/model';
import type { Directory, DirectoryNode } from './directory.ts';

/** How far back uptime is counted, ms. */
export const uptimeWindowMs = 7 * 86_400_000;
/** Summaries and sessions of a node that are read: an hourly one for six weeks. */
const versionsMax = 1_000;
/** Nodes that are looked into at a time. */
const inspectedAtOnceMax = 16;

/** What a look into the log needs of a database. */
export type InspectionSource = Pick<BcdbClient, 'find' | 'history'>;

/** What the log has of a node beyond the newest records of it. */
export interface NodeInspection {
  readonly uptime: DirectoryNode['uptime'];
  /** Two machines have its key, so nothing is placed there until it is adopted again. */
  readonly isCloned: boolean;
}

/**
 * Looks into the log for nodes of a directory: how much of the last week they were there, and whether two
 * machines have the key of one. It is the word of the server, as the directory is.
 * @param at log time, ms since 1970
 */
export async function inspectNodes(
  source: InspectionSource,
  nodes: readonly Pick<DirectoryNode, 'id' | 'presence'>[],
  at: number,
): Promise<ReadonlyMap<NodeId, NodeInspection>> {
  const found = new Map<NodeId, NodeInspection>();
  const waiting = nodes.values();
  const work = async (): Promise<void> => {
    for (const node of waiting) {
      const [summaries, isCloned] = await Promise.all([
        summariesOf(source, node.id),
        isClone(source, node.id),
      ]);
      const isThere = node.presence === 'alive';
      found.set(node.id, { uptime: uptimeOf(summaries, { at, isThere }), isCloned });
    }
  };
  await Promise.all(Array.from({ length: inspectedAtOnceMax }, work));
  return found;
}

/** A directory with what was found out about some of its nodes. */
export function withInspections(
  { nodes, ...rest }: Directory,
  found: ReadonlyMap<NodeId, NodeInspection>,
): Directory {
  return {
    ...rest,
    nodes: nodes.map((node) => {
      const known = found.get(node.id);
      if (known === undefined) return node;
      return { ...node, uptime: known.uptime, isInService: node.isInService && !known.isCloned };
    }),
  };
}

/**
 * The part of the last week, or of the time since its first summary, that the log counted a node as there.
 * Time that no summary tells of counts as away; for one that is there, not that since its newest summary.
 */
function uptimeOf(
  summaries: readonly Presence[],
  { at, isThere }: { readonly at: number; readonly isThere: boolean },
): number | undefined {
  const [newest] = summaries;
  const oldest = summaries.at(-1);
  if (newest === undefined || oldest === undefined) return undefined;
  const toMs = isThere ? newest.toMs : Math.max(at, newest.toMs);
  const fromMs = Math.max(oldest.fromMs, toMs - uptimeWindowMs);
  if (toMs <= fromMs) return 1;
  const within = (span: Pick<Presence, 'fromMs' | 'toMs'>): number =>
    Math.max(0, Math.min(span.toMs, toMs) - Math.max(span.fromMs, fromMs));
  const thereMs = summaries.reduce((sum, summary) => {
    const awayMs = summary.gaps.reduce((all, gap) => all + within(gap), 0);
    return sum + within(summary) - awayMs;
  }, 0);
  return thereMs / (toMs - fromMs);
}

/** The newest first. */
async function summariesOf(source: InspectionSource, node: NodeId): Promise<readonly Presence[]> {
  const versions = await versionsOf(source, 'grid.presence.1', node, versionsMax);
  return versions.flatMap(({ value }) => (value === undefined ? [] : [value as Presence]));
}

/**
 * Whether a session since its adoption has not the number after the last: another machine has its key.
 * It is what the rules of the log judge sessions by.
 */
async function isClone(source: InspectionSource, node: NodeId): Promise<boolean> {
  const [adoptions, { objects }] = await Promise.all([
    versionsOf(source, 'grid.adoption.1', node, 1),
    source.find('grid', {
      url: 'grid.session.1',
      where: { field: 'node', op: 'eq', value: node },
      limit: versionsMax,
    }),
  ]);
  const adoptedSeq = adoptions[0]?.seq ?? 0;
  let last = 0;
  for (const { seq, value } of objects.toSorted((a, b) => a.seq - b.seq)) {
    const { n } = value as Session;
    if (n <= last && seq > adoptedSeq) return true;
    last = Math.max(last, n);
  }
  return false;
}

async function versionsOf(
  source: InspectionSource,
  url: string,
  obj: string,
  limit: number,
): ReturnType<InspectionSource['history']> {
  try {
    return await source.history('grid', url, obj, { limit });
  } catch (error) {
    // Nothing was ever said of it.
    if (isGridError(error, 'BCDB_NOT_FOUND')) return [];
    throw error;
  }
}
