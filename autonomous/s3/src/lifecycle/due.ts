import type { LifecycleFilter, LifecycleRule } from '../protocol/bucket-documents.ts';

const dayMs = 86_400_000;

/** A version as rules see it. */
export interface JudgedVersion {
  readonly key: string;
  readonly sizeBytes: number;
  readonly tags: readonly (readonly [key: string, value: string])[];
  readonly modifiedMs: number;
  readonly isMarker: boolean;
  readonly isLatest: boolean;
}

/** Where a version stands among those of its key. */
export interface Standing {
  /** When the next newer version was made: since then this one is noncurrent. */
  readonly noncurrentSinceMs: number | undefined;
  /** Noncurrent versions that are newer. */
  readonly newerNoncurrent: number;
  /** There is no other version of the key. */
  readonly isOnly: boolean;
}

/**
 * What is to be done with a version: `expire` is a delete without a version id, which leaves a marker
 * where the bucket keeps versions; `remove` takes the version itself away.
 */
export type Due = 'expire' | 'remove' | undefined;

/**
 * What the rules of a bucket say about a version now.
 * @param nowMs what `datesMs` of the catalogue says: a clock that is ahead deletes nothing
 */
export function dueOf(
  rules: readonly LifecycleRule[],
  version: JudgedVersion,
  standing: Standing,
  nowMs: number,
): Due {
  for (const rule of rules) {
    if (!rule.isEnabled || !fitsFilter(rule.filter, version)) continue;
    const due = version.isLatest
      ? dueCurrent(rule, version, standing, nowMs)
      : dueNoncurrent(rule, standing, nowMs);
    if (due !== undefined) return due;
  }
  return undefined;
}

/** Whether an upload that nobody completed is to be aborted. */
export function isUploadDue(
  rules: readonly LifecycleRule[],
  upload: { readonly key: string; readonly startedMs: number },
  nowMs: number,
): boolean {
  return rules.some(({ isEnabled, filter, abortUploadDays }) => {
    if (!isEnabled || abortUploadDays === undefined) return false;
    if (!upload.key.startsWith(filter.prefix)) return false;
    return nowMs >= endMs(upload.startedMs, abortUploadDays);
  });
}

function dueCurrent(
  { expirationDays, expirationMs, expiresMarkers }: LifecycleRule,
  { isMarker, modifiedMs }: JudgedVersion,
  { isOnly }: Standing,
  nowMs: number,
): Due {
  const isOld = expirationDays !== undefined && nowMs >= endMs(modifiedMs, expirationDays);
  const isDated = expirationMs !== undefined && nowMs >= expirationMs;
  // A marker hides nothing when it is alone; else it is what expiring would make.
  if (isMarker) return isOnly && (expiresMarkers || isOld) ? 'remove' : undefined;
  return isOld || isDated ? 'expire' : undefined;
}

function dueNoncurrent(
  { noncurrentDays, noncurrentKept = 0 }: LifecycleRule,
  { noncurrentSinceMs, newerNoncurrent }: Standing,
  nowMs: number,
): Due {
  if (noncurrentDays === undefined || noncurrentSinceMs === undefined) return undefined;
  if (newerNoncurrent < noncurrentKept) return undefined;
  return nowMs >= endMs(noncurrentSinceMs, noncurrentDays) ? 'remove' : undefined;
}

/** Days later, and on to the next midnight of UTC, as AWS counts. */
function endMs(fromMs: number, days: number): number {
  return Math.ceil((fromMs + days * dayMs) / dayMs) * dayMs;
}

/** Markers have neither tags nor a size: a filter that asks for them is not about markers. */
function fitsFilter(filter: LifecycleFilter, version: JudgedVersion): boolean {
  const { prefix, tags, sizeBytesAbove, sizeBytesBelow } = filter;
  if (!version.key.startsWith(prefix)) return false;
  if (version.isMarker) {
    return tags.length === 0 && sizeBytesAbove === undefined && sizeBytesBelow === undefined;
  }
  if (sizeBytesAbove !== undefined && version.sizeBytes <= sizeBytesAbove) return false;
  if (sizeBytesBelow !== undefined && version.sizeBytes >= sizeBytesBelow) return false;
  return tags.every(([key, value]) =>
    version.tags.some(([otherKey, otherValue]) => otherKey === key && otherValue === value),
  );
}
