import { join } from 'node:path';

import { readTextIfThere } from '@commongrid/base';
import { workloadIdOf } from '@commongrid/model';
import type { ContractRole, GridFold, WorkloadId } from '@commongrid/model';
import { shortIdOf } from '@commongrid/node';

import { processLists } from '../../../machines/machine-processes.ts';
import { BrokenPromise } from '../../../simulation/witness.ts';

type Fold = Pick<GridFold, 'objects' | 'slice'>;

/** A machine as the kernel knows it, whatever anybody believes of it. */
export interface SeenMachine {
  readonly name: string;
  /** Numbers of processes by container, of those that are not frozen. */
  containers(): Promise<ReadonlyMap<string, readonly string[]>>;
}

/** A container that has to be where it is placed, and nowhere else. */
export interface PlacedContainer {
  readonly workload: WorkloadId;
  /** Of the node. */
  readonly node: string;
}

/** What runs on a machine of a node, by its cgroups. @param prefix of the node */
export function seenMachine(name: string, prefix: string): SeenMachine {
  return {
    name,
    containers: async () => {
      const lists = await processLists(prefix);
      const seen = await Promise.all(
        lists.map(async ([key, pids]) => {
          const isSeen = pids.length > 0 && !(await isFrozen(prefix, key));
          return isSeen ? [[key, pids] as const] : [];
        }),
      );
      return new Map(seen.flat());
    },
  };
}

/**
 * Workloads of which never two may run: those with data of their own, and those that asked to stop where they are cut off.
 * @returns them by the names of their containers
 */
export function singlesIn(fold: Fold): ReadonlyMap<string, WorkloadId> {
  const all = [...fold.objects('grid.slice.1')].filter(({ opening }) => isSingle(opening.role));
  return new Map(all.map(({ workload }) => [shortIdOf(workload), workload]));
}

function isSingle({ data, onIsolation }: ContractRole): boolean {
  return data === 'local' || onIsolation === 'stop';
}

/**
 * Holds it against all machines. They are looked at twice: of two that have a container both times, with a process that
 * was there before, both had it in between.
 * @param singles by the names of their containers
 * @returns how many of them run
 * @throws BrokenPromise naming one that runs twice
 */
export async function requireOnce(
  machines: readonly SeenMachine[],
  singles: ReadonlyMap<string, WorkloadId>,
): Promise<number> {
  if (singles.size === 0) return 0;
  const seen = await Promise.all(
    machines.map(async (one) => [one, await one.containers()] as const),
  );
  let count = 0;
  for (const [key, workload] of singles) {
    const all = seen.flatMap(([machine, containers]) => {
      const pids = containers.get(key);
      return pids === undefined ? [] : [{ machine, pids }];
    });
    count += Math.min(all.length, 1);
    if (all.length < 2) continue;
    const still: string[] = [];
    for (const { machine, pids } of all) {
      const now = new Set((await machine.containers()).get(key));
      if (pids.some((pid) => now.has(pid))) still.push(machine.name);
    }
    if (still.length > 1)
      throw new BrokenPromise(`once: ${workload} runs on ${still.join(' and ')}`);
  }
  return count;
}

/** Containers that the log has somewhere. */
export function placedIn(fold: Fold): readonly PlacedContainer[] {
  return [...fold.objects('grid.placement.1')].flatMap(({ contract, items }) => {
    return items.flatMap(({ role, replica, node, slice }) => {
      const kind = fold.slice(slice)?.opening.role.workload.kind;
      if (kind !== 'container') return [];
      return [{ workload: workloadIdOf(contract, role, replica), node }];
    });
  });
}

/**
 * Which containers do not run where they are placed and there alone.
 * @param machines by node; one that has no power has no containers
 */
export async function misplaced(
  machines: ReadonlyMap<string, SeenMachine>,
  placed: readonly PlacedContainer[],
): Promise<readonly PlacedContainer[]> {
  const seen = new Map(
    await Promise.all(
      [...machines].map(async ([node, one]) => [node, await one.containers()] as const),
    ),
  );
  return placed.filter(({ workload, node }) => {
    const key = shortIdOf(workload);
    const nodes = [...seen].flatMap(([one, containers]) => (containers.has(key) ? [one] : []));
    return nodes.length !== 1 || nodes[0] !== node;
  });
}

/** In either version of cgroups. */
async function isFrozen(prefix: string, key: string): Promise<boolean> {
  const [root, path] = ['/sys/fs/cgroup', join(`${prefix}.containers`, key)];
  const [state, freeze] = await Promise.all([
    readTextIfThere(join(root, 'freezer', path, 'freezer.state')),
    readTextIfThere(join(root, path, 'cgroup.freeze')),
  ]);
  return state?.trim() === 'FROZEN' || freeze?.trim() === '1';
}
