import type { ContractRole } from '@commongrid/model';
import type { ComparedContract } from './compare-contracts.ts';

/**
 * What an upgrade does to a role. It goes replica by replica: each one of the second contract starts beside
 * those of the first, and ends them once it is healthy.
 */
export type RoleCourse =
  | 'begins' // the first one has no such role
  | 'overlaps' // nothing is interrupted: former and next run beside each other until the next is healthy
  | 'refills' // the same, and shards are filled again by whoever keeps data in them
  | 'empty' // local data is not moved: the next begins without, the former goes on and keeps them
  | 'ends' // once all of the second is healthy
  | 'stays'; // local data that the second has no role for: kept until the first is removed

export interface UpgradeCourse {
  readonly role: string;
  readonly course: RoleCourse;
  /** Of nodes, in both: taken while the former runs, so the next needs other nodes to become healthy. */
  readonly ports: readonly number[];
  /** A role that stops when it is cut off has two that run at once for that time. */
  readonly isDoubled: boolean;
}

/** What an upgrade interrupts, and what becomes of data, role by role; as the controller does it. */
export function upgradeCourse(
  from: ComparedContract,
  to: ComparedContract,
): readonly UpgradeCourse[] {
  const former = new Map(from.openings.map(({ role }) => [role.name, role]));
  const later = new Map(to.openings.map(({ role }) => [role.name, role]));
  return [...new Set([...former.keys(), ...later.keys()])].map((name) => {
    const [before, after] = [former.get(name), later.get(name)];
    const taken = new Set(portsOf(before));
    const course = courseOf(before, after);
    return {
      ...{ role: name, course, ports: portsOf(after).filter((port) => taken.has(port)) },
      isDoubled: course === 'overlaps' && after?.onIsolation === 'stop',
    };
  });
}

function courseOf(before: ContractRole | undefined, after: ContractRole | undefined): RoleCourse {
  if (after === undefined) return before?.data === 'local' ? 'stays' : 'ends';
  if (before === undefined) return 'begins';
  if (before.data === 'local') return 'empty';
  return after.data === 'dispersed' ? 'refills' : 'overlaps';
}

function portsOf(role: ContractRole | undefined): readonly number[] {
  return (role?.workload.container?.ports ?? []).flatMap(({ publish }) => publish ?? []);
}
