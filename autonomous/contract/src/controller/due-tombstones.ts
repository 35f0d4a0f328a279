import { placeOf, successorHealthyMs, workloadIdOf } from '@commongrid/model';
import type { RecordOf } from '@commongrid/model';
import type { ContractCase, Look } from './look.ts';
import type { DispersedData } from './ports.ts';

/**
 * Tombstones for what replicas left behind where they were before: once they were healthy elsewhere for a
 * day. What is local to a node is given up by people alone; a namespace of a dispersed role once whoever uses it
 * says that nothing in it is needed any more.
 */
export function dueTombstones(
  { fold, at }: Pick<Look, 'fold' | 'at'>,
  { id, roles }: Pick<ContractCase, 'id' | 'roles'>,
  dispersed: DispersedData | undefined,
): readonly RecordOf<'grid.tombstone.1'>[] {
  const due: RecordOf<'grid.tombstone.1'>[] = [];
  for (const { name, replicas, data, workload: what } of roles) {
    if (data === 'local') continue;
    const isNamespace = what.kind === 'zdb';
    for (let replica = 0; replica < replicas; replica++) {
      const workload = workloadIdOf(id, name, replica);
      const state = fold.workload(workload);
      if (state === undefined || state.places.length < 2) continue;
      const place = placeOf(state);
      const isHealthy = place !== undefined && state.healthy?.node === place.node;
      if (!isHealthy || at - state.healthy.moment.at < successorHealthyMs) continue;
      const revision = place.from - 1;
      const buried = fold.current('grid.tombstone.1', workload)?.revision ?? 0;
      if (buried >= revision) continue;
      if (isNamespace && dispersed?.isElsewhere(workload, place.node) !== true) continue;
      due.push({ workload, revision, reason: 'replaced' });
    }
  }
  return due;
}
