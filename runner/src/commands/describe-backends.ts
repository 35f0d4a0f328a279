import { formatBytes } from '@commongrid/base';
import type { BackendStatus } from '@commongrid/zstor';

import { counted, formatTable } from '../terminal.ts';

/** The backends of a store in order of their names, and how many of them do not answer. */
export function describeBackends(backends: readonly BackendStatus[]): string {
  const sorted = backends.toSorted((one, other) => {
    return one.name.localeCompare(other.name, 'en', { numeric: true });
  });
  const rows = sorted.map(({ name, use, state, shards, usedBytes, freeBytes }) => [
    name,
    use === 'used' ? (state ?? 'not in the file') : use,
    counted(shards, 'shard'),
    `${formatBytes(usedBytes)} used`,
    `${formatBytes(freeBytes)} free`,
  ]);
  const suspects = backends.filter(({ state }) => state === 'suspect').length;
  const closed = backends.filter(takesNothing).length;
  return [
    formatTable(rows),
    ...(suspects === 0 ? [] : [`${countedDo(suspects)} not answer, and may be back`]),
    ...(closed === 0 ? [] : [`${countedDo(closed)} not take data: full, or reading only`]),
  ].join('\n');
}

function takesNothing({ use, state, isWritable }: BackendStatus): boolean {
  return use === 'used' && state === 'healthy' && !isWritable;
}

function countedDo(count: number): string {
  return `${counted(count, 'backend')} ${count === 1 ? 'does' : 'do'}`;
}
