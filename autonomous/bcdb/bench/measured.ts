/** How quick some work was. */
export interface Measured {
  readonly perSecond: number;
  /** User and system time of this process, all its threads, microseconds for each operation. */
  readonly cpuMicros: number;
}

/** Times `work`, which does `count` operations. */
export async function measured(count: number, work: () => Promise<void>): Promise<Measured> {
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  await work();
  const seconds = (performance.now() - startedMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: count / seconds, cpuMicros: (user + system) / count };
}
