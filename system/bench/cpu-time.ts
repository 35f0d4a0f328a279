import { readFile } from 'node:fs/promises';

/** Linux reports times to programs in this unit, whatever the kernel's own tick. */
const ticksPerSecond = 100;

/** CPU seconds (user and system, all threads) that a living process has used so far. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name in parentheses may hold spaces; the fields after it are fixed: 14 utime, 15 stime.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
