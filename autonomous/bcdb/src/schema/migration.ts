import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Check } from 'typebox/schema';
import { GridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../errors.ts';

const closed = { additionalProperties: false } as const;
const pathSchema = Type.Array(Type.String({ minLength: 1, maxLength: 128 }), {
  minItems: 1,
  maxItems: 16,
});

const step = Type.Union([
  Type.Object({ op: Type.Literal('rename'), from: pathSchema, to: pathSchema }, closed),
  Type.Object({ op: Type.Literal('drop'), path: pathSchema }, closed),
  Type.Object({ op: Type.Literal('set'), path: pathSchema, value: Type.Unknown() }, closed),
  Type.Object({ op: Type.Literal('default'), path: pathSchema, value: Type.Unknown() }, closed),
]);

/**
 * One step from a payload of a type to one of its next version. `rename` moves a member, `drop`
 * leaves it out, `set` gives it one value in all payloads, `default` only where it is missing.
 */
export type MigrationStep = Static<typeof step>;

/** Most steps of a migration. */
const migrationStepsMax = 256;

const steps = Type.Array(step, { maxItems: migrationStepsMax });

/**
 * Reads the steps of a migration.
 * @throws BCDB_SCHEMA_INVALID
 */
export function parseMigration(json: unknown): readonly MigrationStep[] {
  if (!Check(steps, json) || json.some((one) => pathsOf(one).flat().includes('__proto__'))) {
    throw new GridError<BcdbErrorCode>('BCDB_SCHEMA_INVALID', 'these are no steps of a migration', {
      hint: 'docs/formats/bcdb-schema.md lists the steps',
    });
  }
  return json;
}

/** A payload after the steps, in order. Steps whose place does not exist change nothing. */
export function migrate(payload: JsonValue, migration: readonly MigrationStep[]): JsonValue {
  return migration.reduce(applyStep, payload);
}

function applyStep(payload: JsonValue, one: MigrationStep): JsonValue {
  switch (one.op) {
    case 'drop':
      return without(payload, one.path);
    case 'set':
      return withValue(payload, one.path, one.value as JsonValue);
    case 'default':
      return valueAt(payload, one.path) === undefined
        ? withValue(payload, one.path, one.value as JsonValue)
        : payload;
    case 'rename': {
      const value = valueAt(payload, one.from);
      return value === undefined ? payload : withValue(without(payload, one.from), one.to, value);
    }
    default:
      return one satisfies never;
  }
}

/** What is at a path of members; undefined when one of them is missing. */
export function valueAt(value: JsonValue, path: readonly string[]): JsonValue | undefined {
  let here: JsonValue | undefined = value;
  for (const name of path) {
    if (!isObject(here) || !Object.hasOwn(here, name)) return undefined;
    here = here[name];
  }
  return here;
}

function without(value: JsonValue, [name, ...rest]: readonly string[]): JsonValue {
  if (name === undefined || !isObject(value) || !Object.hasOwn(value, name)) return value;
  const { [name]: member, ...others } = value;
  return rest.length === 0 ? others : { ...others, [name]: without(member ?? null, rest) };
}

function withValue(
  value: JsonValue,
  [name, ...rest]: readonly string[],
  member: JsonValue,
): JsonValue {
  if (name === undefined) return member;
  if (!isObject(value)) return value;
  const inner = Object.hasOwn(value, name) ? value[name] : undefined;
  return { ...value, [name]: rest.length === 0 ? member : withValue(inner ?? {}, rest, member) };
}

function pathsOf(one: MigrationStep): readonly (readonly string[])[] {
  return one.op === 'rename' ? [one.from, one.to] : [one.path];
}

function isObject(value: JsonValue | undefined): value is { readonly [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
