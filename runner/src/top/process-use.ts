import { readFile } from 'node:fs/promises';

import { errorCode } from '@commongrid/base';

/** What a process has used so far, and has now. */
export interface ProcessUse {
  /** User and system, ms. */
  readonly cpuMs: number;
  /** Memory of its own and shared, as it is in RAM. */
  readonly memoryBytes: number;
}

/** Ticks of a second and bytes of a page on all machines that Node is built for. */
const tickMs = 10;
const pageBytes = 4096;

/** Undefined for one that has ended. */
export async function processUse(pid: number): Promise<ProcessUse | undefined> {
  try {
    return parseProcessUse(await readFile(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ESRCH') return undefined;
    throw error;
  }
}

/** Fields 14, 15 and 24 of proc(5). The name before them may hold anything. */
export function parseProcessUse(stat: string): ProcessUse {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user, system, pages] = [fields[11], fields[12], fields[21]].map(Number);
  return {
    cpuMs: ((user ?? 0) + (system ?? 0)) * tickMs,
    memoryBytes: (pages ?? 0) * pageBytes,
  };
}
