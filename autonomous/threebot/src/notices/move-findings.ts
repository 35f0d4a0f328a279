import { workloadIdOf } from '@commongrid/model';
import type { ContractId, GridFold, NodeId, Placement } from '@commongrid/model';
import type { NoticeCode } from '../errors.ts';
import { contractCommand, contractsOf } from './notice.ts';
import type { Finding, NoticeView } from './notice.ts';

/** Moves that one notice names; others it counts. */
const namedMax = 3;

interface Move {
  readonly slot: string;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly revision: number;
}

/** Placements that were told of, by contract: the newest revision of each. */
export type ToldRevisions = ReadonlyMap<ContractId, number>;

/** What moved to other nodes since, in contracts of the bot; and up to where that is told. */
export function moveFindings(
  view: NoticeView,
  told: ToldRevisions,
): { readonly findings: readonly Finding[]; readonly told: ToldRevisions } {
  const { fold, bot } = view;
  const findings: Finding[] = [];
  const now = new Map<ContractId, number>();
  for (const { id, header } of contractsOf(fold)) {
    const placement = fold.current('grid.placement.1', id);
    if (header.owner !== bot || placement === undefined) continue;
    const { revision, reason } = placement;
    if (revision === told.get(id)) continue;
    now.set(id, revision);
    const moves = movesOf(fold, placement, told.get(id) ?? 0);
    for (const [each, group] of Map.groupBy(moves, (move) => move.revision)) {
      const why = each === revision ? reason : undefined;
      findings.push(findingOf(view, { id, name: header.name, why, revision: each }, group));
    }
  }
  return { findings, told: now };
}

function movesOf(fold: GridFold, { contract, items }: Placement, since: number): readonly Move[] {
  return items.flatMap(({ role, replica }) => {
    const places = fold.workload(workloadIdOf(contract, role, replica))?.places ?? [];
    return places.flatMap((place, n): Move[] => {
      const before = places[n - 1];
      if (before === undefined || before.node === place.node || place.from <= since) return [];
      const slot = `${role}/${replica}`;
      return [{ slot, from: before.node, to: place.node, revision: place.from }];
    });
  });
}

function findingOf(
  view: NoticeView,
  {
    id,
    name,
    why,
    revision,
  }: {
    readonly id: ContractId;
    readonly name: string;
    readonly why: string | undefined;
    readonly revision: number;
  },
  moves: readonly Move[],
): Finding {
  const nameOf = (node: NodeId): string => view.fold.current('grid.node.1', node)?.name ?? node;
  const named = moves.slice(0, namedMax).map(({ slot, from, to }) => {
    return `${slot} from ${nameOf(from)} to ${nameOf(to)}`;
  });
  const rest = moves.length - named.length;
  const more = rest > 0 ? [`${rest} more`] : [];
  return {
    ...{ about: String(revision), code: 'NOTICE_MOVED' satisfies NoticeCode, severity: 'info' },
    contract: id,
    message: `${name} was moved${why === undefined ? '' : ` (${why})`}: ${[...named, ...more].join(', ')}`,
    next: contractCommand(view, 'status', id),
    lastsMs: 0,
  };
}
