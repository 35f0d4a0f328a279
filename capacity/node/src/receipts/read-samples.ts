import type { WorkloadId } from '@commongrid/model';
import type { Machine } from '../machine/machine.ts';
import type { KnownWorkload } from '../reconcile/wish.ts';
import type { Counters, Sample } from './meter.ts';

/** What workloads use, as the machine counts it anyway; nothing of those that are not there. */
export async function readSamples(
  machine: Machine,
  workloads: readonly KnownWorkload[],
  signal: AbortSignal,
): Promise<ReadonlyMap<WorkloadId, Sample>> {
  const { drivers, containers } = machine;
  const kinds = new Set(workloads.map(({ role }) => role.workload.kind));
  const disks = new Map<string, number>();
  for (const kind of kinds) {
    const remains = (await drivers.get(kind)?.list(signal)) ?? [];
    for (const { key, dataBytes } of remains) disks.set(key, dataBytes);
  }
  const traffic = await machine.traffic?.();
  const samples = new Map<WorkloadId, Sample>();
  for (const { id, key, role } of workloads) {
    const isContainer = role.workload.kind === 'container';
    const usage = isContainer ? await containers?.stats(key) : undefined;
    const { cpuUsageUs = 0, memoryBytes = 0 } = usage ?? {};
    const { receivedBytes = 0, sentBytes = 0 } = traffic?.get(key) ?? {};
    const diskBytes = disks.get(key) ?? 0;
    samples.set(id, { cpuUs: cpuUsageUs, memoryBytes, diskBytes, receivedBytes, sentBytes });
  }
  return samples;
}

/**
 * What a workload used up to now; undefined where that is not counted, or no more. Of a container that
 * ended it is there until that is taken away. No service is asked, so that no end waits for one.
 */
export async function readCounters(
  { containers, traffic }: Machine,
  { key, role }: KnownWorkload,
): Promise<Counters | undefined> {
  if (role.workload.kind !== 'container') return undefined;
  const usage = await containers?.stats(key);
  if (usage === undefined) return undefined;
  const { receivedBytes = 0, sentBytes = 0 } = (await traffic?.())?.get(key) ?? {};
  return { cpuUs: usage.cpuUsageUs, receivedBytes, sentBytes };
}
