import { contractStatus } from '@commongrid/contract';
import type { ContractStatus } from '@commongrid/contract';
import { contractIdOf } from '@commongrid/model';
import type { BotId, Contract, ContractId, GridFold, Node, NodeId } from '@commongrid/model';

import { publishedPorts } from '../commands/contract/published-ports.ts';
import type { PublishedPort } from '../commands/contract/published-ports.ts';
import type { Endpoint } from './endpoint.ts';

/** Contracts that are looked through for the first of those that replace each other. */
const lineageMax = 64;

/** A contract that something of is placed, and that has not ended. */
export interface PlacedContract {
  readonly header: Contract;
  readonly status: ContractStatus;
}

/** Those of one owner. @param at log time of the view, ms since 1970 */
export function placedContracts(
  fold: GridFold,
  owner: BotId,
  at: number,
): readonly PlacedContract[] {
  return [...fold.objects('grid.contract.1')].flatMap((header): PlacedContract[] => {
    if (header.owner !== owner) return [];
    const id = contractIdOf(header);
    if ((fold.current('grid.placement.1', id)?.items.length ?? 0) === 0) return [];
    const status = contractStatus(fold, id, { seq: Number.MAX_SAFE_INTEGER, at });
    return status === undefined || status.phase === 'closed' ? [] : [{ header, status }];
  });
}

/** What a contract publishes over TCP, by role and port. @param nodes records of those that it is placed on */
export function endpointsOf(
  fold: GridFold,
  { header, status }: PlacedContract,
  nodes: ReadonlyMap<NodeId, Pick<Node, 'addresses'>>,
): readonly Endpoint[] {
  const ports = publishedPorts(fold, status, nodes).filter(({ protocol }) => protocol === 'tcp');
  const groups = Map.groupBy(ports, ({ role, port }) => `${role}/${port}`);
  const isLeaving = fold.current('grid.placement.1', status.id)?.reason === 'drain';
  const { lineage, generation } = lineageOf(fold, header, status.id);
  return [...groups.values()].map((group): Endpoint => {
    const [{ role, port, publish, isOfStore }] = group as [PublishedPort, ...PublishedPort[]];
    return {
      ...{ contract: status.id, lineage, generation, name: header.name },
      ...{ role, port, publish, isLeaving },
      kind: isOfStore ? 's3' : 'tcp',
      replicas: group.map(({ replica, address, isReady }) => ({ replica, address, isReady })),
    };
  });
}

function lineageOf(
  fold: GridFold,
  header: Contract,
  id: ContractId,
): Pick<Endpoint, 'lineage' | 'generation'> {
  let [lineage, generation, former] = [id, 0, header.replaces];
  while (former !== undefined && generation < lineageMax) {
    [lineage, generation] = [former, generation + 1];
    former = fold.current('grid.contract.1', former)?.replaces;
  }
  return { lineage, generation };
}
