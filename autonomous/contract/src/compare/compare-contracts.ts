import { canonicalText } from '@commongrid/crypto';
import type { Contract, ContractId, ContractPolicyLine, ContractRole } from '@commongrid/model';
import type { DraftFile } from '../draft/draft-file.ts';
import { upgradeCourse } from './upgrade-course.ts';
import type { UpgradeCourse } from './upgrade-course.ts';

/**
 * What a change comes to where the role runs: `add` and `remove` of a role; more or less of something
 * (`grow`, `shrink`); data that begins anew (`replace`); replicas that may have to go elsewhere (`move`);
 * another program, or other means for it (`restart`); something beside it (`adjust`).
 */
export type Effect =
  | 'add'
  | 'remove'
  | 'grow'
  | 'shrink'
  | 'replace'
  | 'move'
  | 'restart'
  | 'adjust';

export interface Change {
  /** Undefined: of the contract as a whole. */
  readonly role: string | undefined;
  /** `/workload/container/flist`; empty for the whole role. */
  readonly path: string;
  readonly effect: Effect;
  /** As JSON says them; undefined where there was, or is, none. */
  readonly from: unknown;
  readonly to: unknown;
}

export interface Comparison {
  readonly from: ContractId;
  readonly to: ContractId;
  readonly changes: readonly Change[];
  /** Whether the second says that it upgrades the first. */
  readonly isUpgrade: boolean;
  /** Who has to agree to go over from one to the other; none where nothing changed. */
  readonly agree: readonly Agreement[];
  /** Of an upgrade: what happens to each role. */
  readonly course: readonly UpgradeCourse[];
}

/** The owner, and all of these lines of one contract. */
export interface Agreement {
  readonly action: 'upgrade' | 'provision';
  readonly contract: 'from' | 'to';
  readonly owner: Contract['owner'];
  readonly lines: readonly ContractPolicyLine[];
}

export type ComparedContract = Pick<DraftFile, 'id' | 'header' | 'openings'>;

/**
 * What of a contract is different in another. Nonces and salts, by which each contract differs, and
 * values of secrets, which nobody can compare, are left out.
 */
export function compareContracts(from: ComparedContract, to: ComparedContract): Comparison {
  const changes = [...headerChanges(from.header, to.header), ...roleChanges(from, to)];
  const isUpgrade = to.header.replaces === from.id;
  return {
    ...{ from: from.id, to: to.id, changes, isUpgrade },
    agree: changes.length === 0 ? [] : agreements(from, to, isUpgrade),
    course: isUpgrade ? upgradeCourse(from, to) : [],
  };
}

/** What of a header is different in another, but for roles and their names in it. */
export function compareHeaders(from: Contract, to: Contract): readonly Change[] {
  return [...headerChanges(from, to)];
}

/** A contract never changes: what is different is another one, which those of the former let it replace. */
function agreements(
  { header: former }: ComparedContract,
  { header }: ComparedContract,
  isUpgrade: boolean,
): readonly Agreement[] {
  const provision = { action: 'provision', contract: 'to', owner: header.owner } as const;
  const upgrade = { action: 'upgrade', contract: 'from', owner: former.owner } as const;
  return [
    ...(isUpgrade ? [{ ...upgrade, lines: former.policy.upgrade }] : []),
    { ...provision, lines: header.policy.provision },
  ];
}

const headerParts = [
  ...(['name', 'owner', 'controllers', 'networks', 'policy', 'budget', 'heal'] as const),
  ...(['mayRollBack'] as const),
];

function* headerChanges(from: Contract, to: Contract): Generator<Change> {
  for (const part of headerParts) {
    for (const [path, before, after] of differences(from[part], to[part], `/${part}`)) {
      const effect = path.startsWith('/networks') ? 'restart' : 'adjust';
      yield { role: undefined, path, effect, from: before, to: after };
    }
  }
  const lengths = [from, to].map(({ term }) => term.untilMs - term.fromMs);
  const terms = [
    { lengthMs: lengths[0], graceMs: from.term.graceMs },
    { lengthMs: lengths[1], graceMs: to.term.graceMs },
  ];
  for (const [path, before, after] of differences(terms[0], terms[1], '/term')) {
    yield { role: undefined, path, effect: 'adjust', from: before, to: after };
  }
  const names = [from, to].map(({ secrets }) => secrets.map(({ name }) => name).toSorted());
  for (const [path, before, after] of differences(names[0], names[1], '/secrets')) {
    yield { role: undefined, path, effect: 'adjust', from: before, to: after };
  }
}

function* roleChanges(from: ComparedContract, to: ComparedContract): Generator<Change> {
  const former = new Map(from.openings.map(({ role }) => [role.name, role]));
  const later = new Map(to.openings.map(({ role }) => [role.name, role]));
  for (const [name, role] of former) {
    if (later.has(name)) continue;
    yield { role: name, path: '', effect: 'remove', from: shapeOf(role), to: undefined };
  }
  for (const [name, role] of later) {
    const before = former.get(name);
    if (before === undefined) {
      yield { role: name, path: '', effect: 'add', from: undefined, to: shapeOf(role) };
      continue;
    }
    for (const [path, was, is] of differences(before, role, '')) {
      yield { role: name, path, effect: effectOf(path, was, is), from: was, to: is };
    }
  }
}

function shapeOf({ workload: { kind }, replicas, resources }: ContractRole) {
  return { kind, replicas, resources };
}

/** The first that a path begins with says what its change does. */
const effects: readonly (readonly [RegExp, Effect | 'size'])[] = [
  [/^\/replicas$/, 'size'],
  [/^\/workload\/kind$/, 'replace'],
  [/^\/workload\/volume\/sizeBytes$/, 'size'],
  [/^\/workload\/volume\/(?:snapshots|backups)/, 'adjust'],
  [/^\/workload\/volume/, 'replace'],
  [/^\/workload\/zdb\/sizeBytes$/, 'size'],
  [/^\/workload\/zdb\/(?:mode|disk)$/, 'replace'],
  [/^\/workload\/zdb/, 'adjust'],
  [/^\/workload|^\/networks/, 'restart'],
  [/^\/resources\/(?:ssd|hdd)Bytes$/, 'size'],
  [/^\/resources/, 'restart'],
  [/^\/spread/, 'move'],
];

function effectOf(path: string, from: unknown, to: unknown): Effect {
  const [, effect = 'adjust'] = effects.find(([pattern]) => pattern.test(path)) ?? [];
  if (effect !== 'size') return effect;
  return Number(to) > Number(from) ? 'grow' : 'shrink';
}

type Difference = readonly [string, unknown, unknown];

/** Places at which two values differ, objects member by member; a list counts as one value. */
function* differences(from: unknown, to: unknown, path: string): Generator<Difference> {
  if (isObject(from) && isObject(to)) {
    for (const key of [...new Set([...Object.keys(from), ...Object.keys(to)])].toSorted()) {
      yield* differences(from[key], to[key], `${path}/${key}`);
    }
    return;
  }
  const [before, after] = [from, to].map((one) => (one === undefined ? '' : canonicalText(one)));
  if (before !== after) yield [path, from, to];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
