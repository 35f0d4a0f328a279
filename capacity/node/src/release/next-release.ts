import { createHash } from 'node:crypto';
import { compareVersions } from '@commongrid/model';
import type { NodeId, Software } from '@commongrid/model';
import type { FailedRelease, ReleaseId } from './release-choice.ts';

/** What a `grid.software.1` record wants nodes to run. */
export interface WantedRelease extends ReleaseId {
  readonly isRollback: boolean;
  readonly spreadSeconds: number;
  /** Log time of the record, ms since 1970. */
  readonly sinceMs: number;
}

/** What runs. Without a digest it was installed on the machine, not taken from an image. */
export type RunningRelease = Pick<ReleaseId, 'version'> & Partial<Pick<ReleaseId, 'digest'>>;

export interface ReleaseSituation {
  readonly node: NodeId;
  readonly wanted: WantedRelease | undefined;
  readonly running: RunningRelease;
  readonly failed: FailedRelease | undefined;
  /** Log time, ms since 1970. */
  readonly logTimeMs: number;
  /** The node's clock, ms since 1970. */
  readonly nowMs: number;
}

/** `kept`: what runs stays. `later`: it is not this node's moment yet, or the last try was too near. */
export type NextRelease =
  | { readonly is: 'kept' | 'later' }
  | { readonly is: 'due'; readonly release: WantedRelease };

/**
 * Whether a node takes another release now. Downwards it goes only when the record says that this is
 * meant: so what somebody installed stays, where a record is older. Pure.
 */
export function nextRelease(situation: ReleaseSituation): NextRelease {
  const { node, wanted, running, failed, logTimeMs, nowMs } = situation;
  if (wanted === undefined || isRunning(running, wanted)) return { is: 'kept' };
  const isOlder = compareVersions(wanted.version, running.version) < 0;
  if (isOlder && !wanted.isRollback) return { is: 'kept' };
  if (failed?.version === wanted.version && failed.digest === wanted.digest) {
    if (failed.retryAtMs === undefined) return { is: 'kept' };
    if (nowMs < failed.retryAtMs) return { is: 'later' };
  }
  const isDue = logTimeMs >= wanted.sinceMs + momentMs(wanted, node);
  return isDue ? { is: 'due', release: wanted } : { is: 'later' };
}

/** After the record, ms: evenly spread over nodes, and for each release another one. */
export function momentMs(
  { digest, spreadSeconds }: Pick<WantedRelease, 'digest' | 'spreadSeconds'>,
  node: NodeId,
): number {
  const hash = createHash('sha256').update(`${digest} ${node}`).digest();
  return Math.floor((hash.readUIntBE(0, 6) / 2 ** 48) * spreadSeconds * 1000);
}

/** What a record wants, with log time of the record. */
export function wantedBy(software: Software, sinceMs: number): WantedRelease {
  const { version, flist: digest, isRollback = false, spreadSeconds = 0 } = software;
  return { version, digest, isRollback, spreadSeconds, sinceMs };
}

/** What was installed by hand has no digest: its version is all that is known of it. */
function isRunning({ version, digest }: RunningRelease, wanted: WantedRelease): boolean {
  return version === wanted.version && (digest === undefined || digest === wanted.digest);
}
