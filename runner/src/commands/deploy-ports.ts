import { isGridError, waitFor } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import type { ContractDraft, ContractId, Node } from '@commongrid/model';

import { doorsHere } from '../front-door/front-door-place.ts';
import type { DoorReport } from '../front-door/front-door-report.ts';
import type { PlacedWorkload } from '../node/deploy.ts';
import { hostOfNode } from '../node/node-host.ts';

/** A port at which a replica is reached. */
export interface DeployedPort {
  readonly role: string;
  readonly port: string;
  readonly publish: number;
  readonly protocol: string;
  /** Name of the node. */
  readonly node: string;
  /** `HOST:PORT`; null where the node says no address. */
  readonly address: string | null;
}

/** What replicas of a contract publish at the addresses of their nodes, by the word of the database. */
export async function deployedPorts(
  client: BcdbClient,
  { openings }: ContractDraft,
  placed: readonly PlacedWorkload[],
): Promise<readonly DeployedPort[]> {
  const ids = [...new Set(placed.map(({ node }) => node))];
  const found = ids.map(async (id) => {
    const { value } = await client.get('grid', 'grid.node.1', id);
    return [id, value as unknown as Node] as const;
  });
  const nodes = new Map(await Promise.all(found));
  return placed.flatMap(({ workload, node: id }) => {
    const [, name] = workload.split('/');
    const ports = openings.find(({ role }) => role.name === name)?.role.workload.container?.ports;
    const node = nodes.get(id);
    const host = hostOfNode(node);
    return (ports ?? []).flatMap(({ name: port, protocol, publish }) => {
      if (publish === undefined || name === undefined) return [];
      const address = host === undefined ? null : `${host}:${publish}`;
      return [{ role: name, port, publish, protocol, node: node?.name ?? id, address }];
    });
  });
}

/** A front door hears of what runs within a second; whoever cannot wait has the addresses of nodes. */
const doorDeadline = { timeoutMs: 10_000, everyMs: 200, what: 'the front door' };

/**
 * The addresses of this machine at which a contract is reached whatever node it is on: none where no front door runs, or it
 * does not hear of the contract.
 * @param home GRID_HOME
 */
export async function doorsOf(
  home: string,
  contract: ContractId,
  ports: readonly DeployedPort[],
): Promise<readonly DoorReport[]> {
  const wanted = new Set(
    ports.flatMap((one) => (one.protocol === 'tcp' ? [`${one.role}/${one.port}`] : [])),
  );
  let found: readonly DoorReport[] = [];
  const look = async (): Promise<boolean> => {
    const doors = await doorsHere(home);
    found = (doors ?? []).filter((door) => door.contract === contract);
    return doors === undefined || found.length >= wanted.size;
  };
  try {
    if (wanted.size > 0) await waitFor(look, doorDeadline);
  } catch (error) {
    if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
  }
  return found;
}
