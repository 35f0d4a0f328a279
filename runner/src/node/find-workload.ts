import { GridError } from '@commongrid/base';
import type { NodeErrorCode } from '@commongrid/node';

import type { GridErrorCode } from '../errors.ts';

/** How workloads are called: the same on every command. */
export const workloadArgument = 'CONTRACT, CONTRACT/ROLE or CONTRACT/ROLE/REPLICA';

/** What of a workload it can be called by. */
export interface NamedWorkload {
  readonly id: string;
  readonly contract: string;
  /** Null where nobody here knows it: the id of the contract calls it all the same. */
  readonly contractName: string | null;
  readonly role: string;
  readonly replica: number;
}

/** The workloads that a name means: one, those of a role, or those of a contract, by its name or id. */
export function workloadsCalled<T extends NamedWorkload>(
  all: readonly T[],
  name: string,
): readonly T[] {
  return all.filter(({ contract, contractName, role, replica }) => {
    const parents = contractName === null ? [contract] : [contract, contractName];
    return parents.some((parent) =>
      [parent, `${parent}/${role}`, `${parent}/${role}/${replica}`].includes(name),
    );
  });
}

/** What people call a workload. */
export function workloadName({ contract, contractName, role, replica }: NamedWorkload): string {
  return `${contractName ?? contract}/${role}/${replica}`;
}

/** The one workload of those that a name means. @throws GRID_NAME_AMBIGUOUS */
export function onlyWorkload<T extends NamedWorkload>(
  found: readonly T[],
  name: string,
): T | undefined {
  if (found.length < 2) return found[0];
  const names = found.map(workloadName);
  // Contracts of one name are told apart by their ids.
  const isTold = new Set(names).size === names.length;
  const choices = isTold ? names : found.map(({ id }) => id);
  throw new GridError<GridErrorCode>('GRID_NAME_AMBIGUOUS', `several are called ${name} here`, {
    hint: `give one of these: ${choices.join(', ')}`,
    details: { ids: found.map(({ id }) => id) },
  });
}

/** Neither here nor known elsewhere. */
export function unknownWorkload(name: string): GridError<NodeErrorCode> {
  return new GridError('NODE_WORKLOAD_UNKNOWN', `nothing that runs is called ${name}`, {
    hint: 'see what there is, and how it is called: grid ls, grid node workloads',
    details: { workload: name },
  });
}
