import type { WorkloadId } from '@commongrid/model';
import type { Observation } from '../driver.ts';
import type { NodeState } from '../reconcile/node-state.ts';
import { count, cut } from './meter.ts';
import type { Meter } from './meter.ts';

export interface ResumeOptions {
  readonly state: NodeState;
  /** This run of the machine. */
  readonly bootId: string;
  /** What there is of a workload; undefined for one that the machine knows nothing of. */
  readonly observe: (id: WorkloadId) => Promise<Observation | undefined>;
}

const bootFact = 'metered boot';

/**
 * Works out what was healthy while there was no agent, before this one changes anything. A run that goes
 * on was healthy all along, one that ended was until then. After a reboot nothing is counted but what
 * was kept before, and that is told as of the session before.
 */
export async function resumeMeters({ state, bootId, observe }: ResumeOptions): Promise<void> {
  const isSameBoot = state.fact(bootFact) === bootId;
  const meters: Meter[] = [];
  for (const meter of state.receipts.meters()) {
    const seen =
      isSameBoot && meter.isHealthy
        ? // What cannot be looked at now is not known to run.
          await observe(meter.workload).catch(() => undefined)
        : undefined;
    meters.push(isSameBoot ? resumed(meter, seen) : { ...meter, isHealthy: false });
  }
  state.together(() => {
    state.setFact(bootFact, bootId);
    for (const meter of meters) {
      const { meter: rest, receipt } = isSameBoot ? { meter } : cut(meter);
      if (receipt !== undefined) state.receipts.add(receipt);
      state.receipts.keep(rest);
    }
  });
}

function resumed(meter: Meter, seen: Observation | undefined): Meter {
  if (!meter.isHealthy) return meter;
  if (seen?.state === 'running' && seen.sinceMs <= meter.atMs) return meter;
  const endedMs = seen?.state === 'ended' ? Math.max(seen.atMs, meter.atMs) : meter.atMs;
  const logMs = meter.toMs + endedMs - meter.atMs;
  const counted = count(meter, { logMs, nowMs: endedMs, elapsedMs: undefined });
  return { ...counted, isHealthy: false };
}
