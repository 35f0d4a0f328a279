import { isGridError } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import type { Node } from '@commongrid/model';

import { botsHere } from '../../bot-service/bots-here.ts';
import type { CommandContext } from '../../command-context.ts';
import { workloadsCalled } from '../../node/find-workload.ts';
import type { NamedWorkload } from '../../node/find-workload.ts';
import { hostOfNode } from '../../node/node-host.ts';
import { OwnedGrid } from '../../node/owned-grid.ts';
import { connect, selfOf } from '../bcdb/connection.ts';

/** A workload that was placed, and where. */
export interface PlacedElsewhere extends NamedWorkload {
  readonly node: string;
  readonly nodeName: string;
  /** Where its machine is reached; undefined where it does not say. */
  readonly host: string | undefined;
}

/**
 * Where workloads of bots of this machine are that are called so, by the word of the database; none where it
 * is not reached.
 */
export async function placesElsewhere(
  context: CommandContext,
  name: string,
): Promise<readonly PlacedElsewhere[]> {
  try {
    const connection = await connect(context, {});
    const { client } = connection;
    const bots = await botsHere(context.environment.home);
    const keys = await Promise.all(
      bots.map(async ({ folder }) => (await folder.device()).publicKey.text),
    );
    const all = new Set([await selfOf(connection), ...keys]);
    const found = await Promise.all([...all].map((key) => placedBy(client, key, name)));
    const byId = new Map(found.flat().map((one) => [one.id, one]));
    return await Promise.all([...byId.values()].map((one) => withNode(client, one)));
  } catch (error) {
    if (isGridError(error)) return [];
    throw error;
  }
}

type Placed = NamedWorkload & { readonly node: string };

async function placedBy(client: BcdbClient, key: string, name: string): Promise<readonly Placed[]> {
  const contracts = await (await OwnedGrid.open(client, key)).contracts();
  const all = contracts.flatMap(({ id: contract, header, placement }) =>
    placement.items.map(({ role, replica, node }) => {
      const id = `${contract}/${role}/${replica}`;
      return { id, contract, contractName: header.name, role, replica, node };
    }),
  );
  return workloadsCalled(all, name);
}

async function withNode(client: BcdbClient, placed: Placed): Promise<PlacedElsewhere> {
  const { value } = await client.get('grid', 'grid.node.1', placed.node);
  const node = value as Node | undefined;
  return { ...placed, nodeName: node?.name ?? placed.node, host: hostOfNode(node) };
}
