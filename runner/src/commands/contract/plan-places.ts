import { GridError } from '@commongrid/base';
import type { Directory } from '@commongrid/contract';
import type { NodeId } from '@commongrid/model';
import type { Command } from 'commander';

import type { GridErrorCode } from '../../errors.ts';
import { addText } from '../node/node-arguments.ts';

/** Where somebody wants to have a contract planned. */
export interface PlaceOptions {
  readonly node?: readonly string[];
  readonly farm?: readonly string[];
  readonly owner?: readonly string[];
  readonly country?: readonly string[];
}

/** Options that leave out nodes by where they are and whose. */
export function withPlaces(command: Command): Command {
  return command
    .option('--node <name>', 'only on this node, by name or id; again for more', addText)
    .option('--farm <name>', 'only in this farm, by name or id; again for more', addText)
    .option('--owner <bot>', 'only on machines of this bot, by name or id; again for more', addText)
    .option('--country <code>', 'only there, such as BE; again for more', addText);
}

/**
 * The nodes that all options allow; undefined where they allow any.
 * @throws GRID_USAGE where an option names what is not in the directory
 */
export function nodesIn(
  { nodes, farms, bots }: Directory,
  options: PlaceOptions,
): ReadonlySet<NodeId> | undefined {
  const whereabouts = nodes.map((node) => {
    const farm = farms.get(node.farm);
    const owner = farm?.owner;
    const names = {
      node: [node.id, node.name],
      farm: [node.farm, farm?.name],
      owner: [owner, owner && bots.get(owner)],
      country: [farm?.country],
    };
    return { id: node.id, names };
  });
  const named = (['node', 'farm', 'owner', 'country'] as const).flatMap((what) => {
    const wanted = options[what];
    return wanted === undefined ? [] : [{ what, wanted }];
  });
  if (named.length === 0) return undefined;
  for (const { what, wanted } of named) {
    for (const name of wanted) {
      if (whereabouts.some(({ names }) => names[what].includes(name))) continue;
      throw new GridError<GridErrorCode>('GRID_USAGE', `no node is of the ${what} ${name}`, {
        hint: 'see what there is: grid market search',
      });
    }
  }
  const found = whereabouts.filter(({ names }) =>
    named.every(({ what, wanted }) =>
      names[what].some((one) => one !== undefined && wanted.includes(one)),
    ),
  );
  return new Set(found.map(({ id }) => id));
}
