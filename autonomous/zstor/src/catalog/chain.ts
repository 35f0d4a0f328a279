import { GridError } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';
import { corrupt } from './tlog-cipher.ts';
import { bodyOf, firstPrevHash } from './tlog-record.ts';
import type { TlogRecord } from './tlog-record.ts';

/** One keeper of the log. */
export interface MemberName {
  /** What the configuration calls it; says where it is. */
  readonly name: string;
  /** 32 hex digits, new whenever a namespace is taken in: who lost all has another one. */
  readonly id: string;
}

/** Who keeps the log. */
export interface Membership {
  /** Index of the record that made it so; 0 for the first members. */
  readonly index: number;
  readonly members: readonly MemberName[];
}

/** A snapshot, and where it is. */
export interface SnapshotNote {
  /** Everything up to this index is in it. */
  readonly index: number;
  /** Hash of the record with this index, hex. */
  readonly hash: string;
  /** How the store of snapshots finds it, base64. */
  readonly pointer: string;
}

/** What follows from all records up to `index`. */
export interface ChainState {
  readonly index: number;
  readonly hash: Buffer;
  readonly epoch: number;
  /** How many scripts of the schema have run. */
  readonly schema: number;
  readonly membership: Membership;
}

/** The body of an `open` record. */
export interface Opening {
  readonly fence: number;
  readonly schema: number;
}

/** The state before the first record. */
export function firstState(members: readonly MemberName[]): ChainState {
  const membership = { index: 0, members };
  return { index: 0, hash: firstPrevHash, epoch: 0, schema: 0, membership };
}

/** True when `record` can be the next one. */
export function continues(state: ChainState, record: TlogRecord): boolean {
  const epoch = record.kind === 'open' ? state.epoch + 1 : state.epoch;
  return (
    record.index === state.index + 1 && record.epoch === epoch && record.prevHash.equals(state.hash)
  );
}

/** The state after `record`, which continues `state`. @throws ZSTOR_CATALOG_RECORD_CORRUPT */
export function follow(state: ChainState, record: TlogRecord): ChainState {
  const { index, hash, epoch } = record;
  const next = { ...state, index, hash, epoch };
  if (record.kind === 'open') return { ...next, schema: openingOf(record).schema };
  if (record.kind !== 'members') return next;
  return { ...next, membership: { index, members: membersOf(record) } };
}

/**
 * The longest chain from `state` on. Of several records with one index it is the one with the
 * highest fence that continues the chain; a record that does not continue it ends it.
 * @param candidates for each index from `state.index + 1` on, in any order
 */
export function chooseChain(
  state: ChainState,
  candidates: readonly (readonly TlogRecord[])[],
): TlogRecord[] {
  const chain: TlogRecord[] = [];
  let at = state;
  for (const records of candidates) {
    let best: TlogRecord | undefined;
    for (const record of records) {
      if (record.fence > (best?.fence ?? -1) && continues(at, record)) best = record;
    }
    if (best === undefined) break;
    chain.push(best);
    at = follow(at, best);
  }
  return chain;
}

function openingOf(record: TlogRecord): Opening {
  return jsonOf(record, (value): value is Opening => 'fence' in value && 'schema' in value);
}

function membersOf(record: TlogRecord): readonly MemberName[] {
  return jsonOf(record, (value): value is MemberName[] => Array.isArray(value));
}

export function snapshotOf(record: TlogRecord): SnapshotNote {
  return jsonOf(record, (value): value is SnapshotNote => 'pointer' in value);
}

/** Records are authentic: whoever wrote one followed the format, this guards against a newer one. */
function jsonOf<T extends object>(record: TlogRecord, isShape: (value: object) => value is T): T {
  const value: unknown = JSON.parse(bodyOf(record).toString());
  if (typeof value !== 'object' || value === null || !isShape(value)) {
    throw corrupt(`record ${record.index} is not as this program writes ${record.kind}`);
  }
  return value;
}

/** Names and numbers of members, so that two that list the same are equal. */
export function checkMemberNames(names: readonly string[]): void {
  if (names.length % 2 === 1 && new Set(names).size === names.length) return;
  throw new GridError<ZstorErrorCode>(
    'ZSTOR_CATALOG_LOG_FOREIGN',
    `a log has an odd number of different members, not ${names.length}`,
    { hint: 'name 2m + 1 namespaces on nodes of their own', details: { names } },
  );
}
