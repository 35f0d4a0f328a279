import { readFile } from 'node:fs/promises';

/**
 * How many files this process may let others have open, at most `wanted`: a machine need not let its
 * root give more than it has itself.
 */
export async function openFilesLimit(wanted: number): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8');
  const [, hard = 'unlimited'] = /^Max open files +\S+ +(\S+)/m.exec(limits) ?? [];
  return hard === 'unlimited' ? wanted : Math.min(wanted, Number(hard));
}
