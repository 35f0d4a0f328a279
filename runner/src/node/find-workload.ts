import { GridError } from '@commongrid/base';
import type { NodeErrorCode } from '@commongrid/node';

import type { GridErrorCode } from '../errors.ts';

/** What of a workload it can be called by. */
export interface NamedWorkload {
  readonly id: string;
  /** Its short id. */
  readonly key: string;
  readonly role: string;
  readonly replica: number;
}

/**
 * The workload that people mean: by its id, its short id, ROLE/REPLICA, or ROLE alone where that is
 * one. Undefined when there is none. @throws GRID_NAME_AMBIGUOUS
 */
export function findWorkload<T extends NamedWorkload>(
  all: readonly T[],
  name: string,
): T | undefined {
  const exact = all.find(({ id, key }) => id === name || key === name);
  if (exact !== undefined) return exact;
  const found = all.filter(({ role, replica }) => name === role || name === `${role}/${replica}`);
  const [only] = found;
  if (found.length < 2) return only;
  throw new GridError<GridErrorCode>('GRID_NAME_AMBIGUOUS', `several are called ${name} here`, {
    hint: `give one of these: ${found.map(({ key }) => key).join(', ')}`,
    details: { ids: found.map(({ id }) => id) },
  });
}

/** Neither here nor known elsewhere. */
export function unknownWorkload(name: string): GridError<NodeErrorCode> {
  return new GridError('NODE_WORKLOAD_UNKNOWN', `this node has no workload ${name}`, {
    hint: 'see which it has: grid node workloads',
    details: { workload: name },
  });
}

/** It is on another machine. */
export function remoteWorkload(name: string, node: string): GridError<NodeErrorCode> {
  return new GridError('NODE_REMOTE', `${name} is on ${node}, which is not this machine`, {
    hint: 'run the command on that machine; what leads there from afar comes later',
    details: { workload: name, node },
  });
}
