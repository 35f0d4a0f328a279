import { isDeletion, namespaceOf } from '../engine/log/format.ts';
import type { ManifestSegment } from '../engine/log/manifest.ts';
import { SYSTEM_NAMESPACE } from '../engine/namespace.ts';
import { nameFromKey } from '../engine/namespaces.ts';
import type { IndexEntry } from '../engine/log/segment-index.ts';
import { keyText } from './finding.ts';
import { entryBytes } from './inspect-segment.ts';
import type { BadRecord, InspectedStretch } from './inspect-segment.ts';
import { segmentPath } from './repair-plan.ts';
import type { RepairPlan } from './repair-plan.ts';
import type { SegmentState } from './segment-state.ts';
import type { SystemRecords } from './system-records.ts';

/** Records that a repair cannot bring back. */
export interface Loss {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  readonly what: 'value' | 'deletion' | 'records';
  /** Of `records`: at most these; `toSequence` undefined = to the end of the log. */
  readonly fromSequence: number;
  readonly toSequence?: number | undefined;
  /** Of a missing segment: how many. */
  readonly records?: number;
  readonly namespace?: string;
  /** As text, or as 0x and hex digits. */
  readonly key?: string;
}

/** What of a segment is to be done. */
export interface SegmentVerdict {
  readonly state: SegmentState;
  /** Stretches that hold what had been acknowledged. */
  readonly damaged: readonly InspectedStretch[];
  /** Where an unfinished write begins. */
  readonly torn: InspectedStretch | undefined;
  /** Still written to when it was last used. */
  readonly isOpen: boolean;
}

export interface Assessment {
  readonly verdicts: readonly SegmentVerdict[];
  readonly losses: readonly Loss[];
  /** Lost records whose index entries are known. */
  readonly lostRecords: readonly BadRecord[];
  /** Settings of a namespace may be among what is lost. */
  readonly mayLackSettings: boolean;
}

/** Tells unfinished writes from damage, and damage that costs records from such that does not. */
export function assess(plan: RepairPlan): Assessment {
  const { states, manifest, isManifestMade } = plan;
  const open = new Set(states.filter((one, i) => isOpen(one, isManifestMade, i, states)));
  const durableTo = Math.max(manifest.durableAtLeast, ...[...open].map((state) => state.durableTo));
  const verdicts: SegmentVerdict[] = [];
  const losses: Loss[] = [];
  const lostRecords: BadRecord[] = [];
  const names = plan.system.namespaces();
  const nameOf = (id: number): string | undefined => names.get(id)?.name;
  for (const [i, state] of states.entries()) {
    // Without the manifest nothing says that the end of the log was not on disk: it may be damage.
    const torn =
      open.has(state) && !isManifestMade
        ? state.stretches.find(({ expected }) => expected > durableTo)
        : undefined;
    const damaged = state.stretches.filter(
      ({ expected }) => torn === undefined || expected < torn.expected,
    );
    const end = isManifestMade ? undefined : durableTo + 1;
    const following = states[i + 1]?.firstSequence ?? state.line?.lastSequence ?? end;
    for (const stretch of damaged) {
      lostRecords.push(...stretch.lost);
      losses.push(...stretchLosses(state, stretch, following, nameOf));
    }
    verdicts.push({ state, damaged, torn, isOpen: open.has(state) });
  }
  losses.push(...plan.missing.flatMap((line) => missingLosses(line, plan, nameOf)));
  losses.push(...plan.gaps.map(([from, to]) => gapLoss(from, to, plan)));
  const isUnknown = losses.some(({ what }) => what === 'records');
  const mayLackSettings = isUnknown || lostRecords.some((lost) => isSettings(lost, plan.system));
  return { verdicts, losses, lostRecords, mayLackSettings };
}

/** Whether the newest settings of a namespace may be lost with a record. */
function isSettings({ entry, key }: BadRecord, system: SystemRecords): boolean {
  if (namespaceOf(entry.owner) !== SYSTEM_NAMESPACE || isDeletion(entry.owner)) return false;
  if (key === undefined) return true;
  const name = nameFromKey(key.toString());
  return name !== undefined && system.newestOf(name) < entry.sequence;
}

function isOpen(
  state: SegmentState,
  isManifestMade: boolean,
  i: number,
  states: readonly SegmentState[],
): boolean {
  if (!isManifestMade) return state.line?.lastSequence === undefined;
  return i === states.length - 1 && !state.isCompacted;
}

function stretchLosses(
  state: SegmentState,
  stretch: InspectedStretch,
  following: number | undefined,
  nameOf: (id: number) => string | undefined,
): Loss[] {
  const file = state.path;
  if (stretch.isLossKnown) {
    return stretch.lost.map(({ entry, key }) => {
      const namespace = nameOf(namespaceOf(entry.owner));
      return {
        ...{ file, offset: entry.offset, bytes: entryBytes(entry), fromSequence: entry.sequence },
        toSequence: entry.sequence,
        what: isDeletion(entry.owner) ? 'deletion' : 'value',
        ...(namespace === undefined ? {} : { namespace }),
        ...(key === undefined ? {} : { key: keyText(key) }),
      } as const;
    });
  }
  const { offset, bytes, expected, kept } = stretch;
  const next = stretch.nextSequence ?? following;
  const common = { file, offset, bytes, what: 'records', fromSequence: expected } as const;
  if (next === undefined) return [common];
  const isWhole = !state.isCompacted && kept.length === next - expected;
  return isWhole ? [] : [{ ...common, toSequence: next - 1 }];
}

function missingLosses(
  line: ManifestSegment,
  { manifest, folder }: RepairPlan,
  nameOf: (id: number) => string | undefined,
): Loss[] {
  const file = segmentPath(folder, line.id);
  const { firstSequence: fromSequence, lastSequence, bytes = 0 } = line;
  const at = manifest.segments.indexOf(line);
  const following = at < 0 ? undefined : manifest.segments[at + 1]?.firstSequence;
  const toSequence = lastSequence ?? (following === undefined ? undefined : following - 1);
  const common = { file, offset: 0, what: 'records', fromSequence, toSequence } as const;
  const shares = Object.entries(line.shares ?? {});
  if (shares.length === 0) return [{ ...common, bytes }];
  return shares.map(([id, [records, shareBytes]]) => {
    const namespace = nameOf(Number(id)) ?? (Number(id) === 0 ? '(settings)' : `(number ${id})`);
    return { ...common, bytes: shareBytes, records, namespace };
  });
}

function gapLoss(from: number, to: number, { states }: RepairPlan): Loss {
  const before = states.findLast(({ firstSequence }) => firstSequence <= from);
  const file = before?.path ?? states[0]?.path ?? '';
  const offset = before?.fileBytes ?? 0;
  return { file, offset, bytes: 0, what: 'records', fromSequence: from, toSequence: to };
}

/** Sound records of a segment that stay, in order: those of sound frames are `entries`. */
export function keptEntries(
  { damaged, torn }: SegmentVerdict,
  entries: readonly IndexEntry[],
): IndexEntry[] {
  const before = torn?.expected ?? Infinity;
  return [...entries, ...damaged.flatMap(({ kept }) => kept)]
    .filter(({ sequence }) => sequence < before)
    .sort((a, b) => a.sequence - b.sequence);
}
