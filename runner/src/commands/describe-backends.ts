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
  if (suspects === 0) return formatTable(rows);
  const verb = suspects === 1 ? 'does' : 'do';
  return `${formatTable(rows)}\n${counted(suspects, 'backend')} ${verb} not answer, and may be back`;
}
