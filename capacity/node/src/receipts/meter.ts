import type { LockId, Receipt, WorkloadId } from '@commongrid/model';

/** What a machine counts of a workload since it was made; some of it begins at 0 with each run. */
export interface Counters {
  /** CPU time. */
  readonly cpuUs: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** What a workload uses at one moment. */
export interface Sample extends Counters {
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

/** What is counted of one workload for its next receipt. Plain JSON. */
export interface Meter {
  readonly workload: WorkloadId;
  readonly lock: LockId;
  /** Of the boot in which all of it was counted. */
  readonly session: number;
  /** Where the next receipt begins, and up to where all is counted: log time, ms since 1970. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Counted since `fromMs`, with some seconds at most that the receipt before had no room for. */
  readonly healthyMs: number;
  /** Whether the time that passes is healthy. */
  readonly isHealthy: boolean;
  /** The machine's clock when it was counted up to `toMs`, ms since 1970. */
  readonly atMs: number;
  readonly used: Used;
  /** Counters as they were seen last. */
  readonly seen: Counters;
  /** Memory as it was seen last; absent before. */
  readonly memoryBytes?: number;
  /** CPU time of a run that ended, until another one is seen: that one counts from 0. */
  readonly endedCpuUs?: number;
}

/** Use since `fromMs`. */
interface Used extends Counters {
  /** Bytes times milliseconds. */
  readonly memoryByteMs: number;
  readonly diskBytes: number;
}

const unused: Counters = { cpuUs: 0, receivedBytes: 0, sentBytes: 0 };
const nothing: Used = { ...unused, memoryByteMs: 0, diskBytes: 0 };

export type Begin = Pick<Meter, 'workload' | 'lock' | 'session' | 'isHealthy' | 'atMs' | 'fromMs'> &
  Partial<Pick<Meter, 'seen'>>;

export function beginMeter({ fromMs, seen = unused, ...rest }: Begin): Meter {
  return { ...rest, fromMs, toMs: fromMs, healthyMs: 0, used: nothing, seen };
}

/** What has passed. */
export interface Passed {
  /** Log time now, ms since 1970. */
  readonly logMs: number;
  /** The machine's clock now, ms since 1970. */
  readonly nowMs: number;
  /** Since it was counted last, by the monotonic clock; undefined where another process did that. */
  readonly elapsedMs: number | undefined;
}

/**
 * Counts the time up to now. What a node knows of log time comes in steps, so it is held to it only when
 * a receipt is cut.
 */
export function count(meter: Meter, { logMs, nowMs, elapsedMs }: Passed): Meter {
  const toMs = Math.max(meter.toMs, Math.floor(logMs));
  const healthyMs = meter.isHealthy ? Math.floor(elapsedMs ?? toMs - meter.toMs) : 0;
  return { ...meter, toMs, atMs: nowMs, healthyMs: meter.healthyMs + healthyMs };
}

/** Adds what was used since the last sample; memory as it is now, for `forMs`. */
export function addSample(meter: Meter, sample: Sample, forMs: number): Meter {
  const { used, endedCpuUs, ...rest } = meter;
  const isOther = endedCpuUs !== undefined && sample.cpuUs !== endedCpuUs;
  const seen = isOther ? { ...meter.seen, cpuUs: 0 } : meter.seen;
  const since = (name: keyof Counters): number => {
    // A run that began anew counts from 0.
    return used[name] + (sample[name] < seen[name] ? sample[name] : sample[name] - seen[name]);
  };
  const { cpuUs, receivedBytes, sentBytes, memoryBytes, diskBytes } = sample;
  return {
    ...rest,
    ...(endedCpuUs === undefined || isOther ? {} : { endedCpuUs }),
    memoryBytes,
    seen: { cpuUs, receivedBytes, sentBytes },
    used: {
      cpuUs: since('cpuUs'),
      receivedBytes: since('receivedBytes'),
      sentBytes: since('sentBytes'),
      memoryByteMs: used.memoryByteMs + memoryBytes * forMs,
      diskBytes,
    },
  };
}

/** Adds what a run used since the last sample, once it ended: its memory counts as it was seen last. */
export function addEnd(meter: Meter, counters: Counters, forMs: number): Meter {
  const { used, memoryBytes = 0 } = meter;
  const ended = addSample(meter, { ...counters, memoryBytes, diskBytes: used.diskBytes }, forMs);
  return { ...ended, memoryBytes: 0, endedCpuUs: counters.cpuUs };
}

/** A receipt without the node that says it. */
export type MeteredReceipt = Omit<Receipt, 'node' | 'lock'> & { readonly lock: LockId };

/** Healthy time for which the log had no room yet and the next receipt may have it, ms. */
const carriedMsMax = 10_000;

/**
 * Cuts off a receipt of whole seconds, of which no more are healthy than the log saw pass; what is left
 * begins the next. None while less than a second has passed.
 */
export function cut(meter: Meter): { readonly meter: Meter; readonly receipt?: MeteredReceipt } {
  const { workload, lock, session, fromMs, healthyMs, used } = meter;
  const seconds = Math.floor((meter.toMs - fromMs) / 1000);
  if (seconds === 0) return { meter };
  const toMs = fromMs + seconds * 1000;
  const healthySeconds = Math.min(seconds, Math.floor(healthyMs / 1000));
  const cpuSeconds = Math.floor(used.cpuUs / 1e6);
  const memoryByteSeconds = BigInt(Math.floor(used.memoryByteMs / 1000));
  const { diskBytes, receivedBytes, sentBytes } = used;
  return {
    receipt: {
      ...{ workload, lock, session, fromMs, toMs, healthySeconds },
      usage: {
        ...{ cpuSeconds, diskBytes, receivedBytes, sentBytes },
        memoryByteSeconds: String(memoryByteSeconds) as Receipt['usage']['memoryByteSeconds'],
      },
    },
    meter: {
      ...meter,
      fromMs: toMs,
      healthyMs: Math.min(carriedMsMax, healthyMs - healthySeconds * 1000),
      used: { ...nothing, diskBytes, cpuUs: used.cpuUs - cpuSeconds * 1e6 },
    },
  };
}
