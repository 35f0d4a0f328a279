import { GridError, isGridError } from '@commongrid/base';
import type { NodeErrorCode, WorkloadSummary } from '@commongrid/node';

import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import {
  onlyWorkload,
  unknownWorkload,
  workloadName,
  workloadsCalled,
} from '../../node/find-workload.ts';
import { askNode } from '../node/node-folder-option.ts';
import type { NodeOptions } from '../node/node-folder-option.ts';
import { placesElsewhere } from './find-elsewhere.ts';
import type { PlacedElsewhere } from './find-elsewhere.ts';

/**
 * Workloads of the node of this machine that are called so.
 * @throws NODE_REMOTE where all that are called so are elsewhere, NODE_WORKLOAD_UNKNOWN, NODE_ABSENT
 */
export async function workloadsHere(
  context: CommandContext,
  options: NodeOptions,
  name: string,
): Promise<readonly WorkloadSummary[]> {
  let absent: GridError | undefined;
  try {
    const all = await askNode<readonly WorkloadSummary[]>(context, options, 'workloads');
    const found = workloadsCalled(all, name);
    if (found.length > 0) return found;
  } catch (error) {
    if (!isGridError(error, 'NODE_ABSENT')) throw error;
    absent = error;
  }
  const elsewhere = await placesElsewhere(context, name);
  if (elsewhere.length > 0) throw remote(name, elsewhere);
  throw absent ?? unknownWorkload(name);
}

/**
 * The container of the node of this machine that is called so; of a contract or role with one container it
 * is that.
 * @throws GRID_NAME_AMBIGUOUS, GRID_NOT_CONTAINER, and what `workloadsHere` throws
 */
export async function containerHere(
  context: CommandContext,
  options: NodeOptions,
  name: string,
): Promise<WorkloadSummary> {
  const found = await workloadsHere(context, options, name);
  const container = onlyWorkload(containersOf(found), name);
  if (container !== undefined) return container;
  throw notContainer(found);
}

/** Those in which programs run. */
export function containersOf(all: readonly WorkloadSummary[]): readonly WorkloadSummary[] {
  return all.filter(({ kind }) => kind === 'container');
}

/** Nothing runs in a volume, or in a namespace of Zero-DB. */
export function notContainer(found: readonly WorkloadSummary[]): GridError<GridErrorCode> {
  const [first] = found;
  const what = found.map((one) => `${workloadName(one)} is a ${one.kind}`).join(', ');
  return new GridError('GRID_NOT_CONTAINER', `no program runs there: ${what}`, {
    hint: `name a container of that contract: grid ls ${first?.contractName ?? first?.contract}`,
    details: { workloads: found.map(({ id }) => id) },
  });
}

/** It is on other machines, and nodes open no port for commands. */
export function remote(name: string, places: readonly PlacedElsewhere[]): GridError<NodeErrorCode> {
  const byNode = Map.groupBy(places, ({ node }) => node);
  const where = [...byNode.values()].flatMap(([place]) => {
    if (place === undefined) return [];
    const { nodeName, host } = place;
    return [host === undefined ? nodeName : `${nodeName} at ${host}`];
  });
  const message = `${name} is not on the node of this machine, but on ${where.join(', ')}`;
  return new GridError('NODE_REMOTE', message, {
    hint: 'nodes take such commands on their own machine only: run it there, with --data FOLDER for the folder of that node and --key-file FILE with a key of the owner',
    details: { workload: name, nodes: [...byNode.keys()] },
  });
}
