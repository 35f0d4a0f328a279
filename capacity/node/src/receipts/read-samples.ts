import type { WorkloadId } from '@commongrid/model';
import type { Machine } from '../machine/machine.ts';
import type { KnownWorkload } from '../reconcile/wish.ts';
import type { Sample } from './meter.ts';

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
