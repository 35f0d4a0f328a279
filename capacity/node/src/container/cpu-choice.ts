/** Whether a container is tied to CPUs: it has a whole number of them, and not all there are. */
export function hasOwnCpus(cpuMilli: number, cpuCount: number): boolean {
  const wanted = cpuMilli / 1_000;
  return Number.isInteger(wanted) && wanted >= 1 && wanted < cpuCount;
}

/**
 * The CPUs for a container that has its own: those of which least was given away. A program then sees
 * as many as it has, and starts as many threads. Others have a quota alone: part of a CPU that is tied
 * to one could not be had elsewhere.
 * @param taken CPUs of each other container
 */
export function chooseCpus(
  cpuMilli: number,
  cpuCount: number,
  taken: Iterable<readonly number[]>,
): readonly number[] {
  const uses = Array.from({ length: cpuCount }, () => 0);
  for (const cpus of taken) {
    if (cpus.length >= cpuCount) continue;
    for (const cpu of cpus) uses[cpu] = (uses[cpu] ?? 0) + 1;
  }
  const byUse = uses.map((use, cpu) => ({ use, cpu })).toSorted((a, b) => a.use - b.use);
  return byUse
    .slice(0, cpuMilli / 1_000)
    .map(({ cpu }) => cpu)
    .toSorted((a, b) => a - b);
}
