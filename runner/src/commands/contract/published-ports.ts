import type { ContractStatus } from '@commongrid/contract';
import type { GridFold, Node } from '@commongrid/model';

import { storeHeadOf } from '../../contract-store/store-heads.ts';
import { hostOfNode } from '../../node/node-host.ts';

/** A port that a replica publishes at the address of the node that it is on now. */
export interface PublishedPort {
  readonly role: string;
  readonly replica: number;
  /** What the role calls it. */
  readonly port: string;
  /** `HOST:PORT` */
  readonly address: string;
  readonly publish: number;
  readonly protocol: 'tcp' | 'udp';
  readonly isReady: boolean;
  /** Heads of a store are reached there. */
  readonly isOfStore: boolean;
}

/**
 * What a contract publishes, by what its nodes were given to run: known to those who see that.
 * @param nodes records of the nodes that it is placed on
 */
export function publishedPorts(
  fold: GridFold,
  { id, workloads }: Pick<ContractStatus, 'id' | 'workloads'>,
  nodes: ReadonlyMap<string, Pick<Node, 'addresses'>>,
): readonly PublishedPort[] {
  const items = fold.current('grid.placement.1', id)?.items ?? [];
  return items.flatMap(({ role, replica, node, slice }) => {
    const host = hostOfNode(nodes.get(node));
    if (host === undefined) return [];
    const one = workloads.find((other) => other.role === role && other.replica === replica);
    const told = fold.slice(slice)?.opening.role;
    const head = told && storeHeadOf(told);
    const isReady = one?.isReady === true;
    return (told?.workload.container?.ports ?? []).flatMap(({ name, publish, protocol }) => {
      if (publish === undefined) return [];
      const address = `${host}:${publish}`;
      const isOfStore = head !== undefined && head.publish === publish && protocol === 'tcp';
      return [{ role, replica, port: name, address, publish, protocol, isReady, isOfStore }];
    });
  });
}
