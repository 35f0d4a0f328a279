import { canonicalText } from '@commongrid/crypto';
import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import type { SchemaDocument } from './schema-document.ts';
import { pointer } from './schema-node.ts';
import type { SchemaNode } from './schema-node.ts';

/** One way in which a schema is narrower than the one before it. */
export interface SchemaDifference {
  /** JSON Pointer into the payload; `*` stands for each item or member of a map. */
  readonly path: string;
  readonly message: string;
}

/** Most differences that are listed. */
const differencesMax = 50;

/**
 * Refuses a new schema of a type that would not take all that the old one took. Fields can be added
 * when they are optional, unions, enums and limits can widen, marks can come and go (except
 * `unique`, which old objects may break). Anything else is a new version of the type, with
 * a migration.
 * @throws BCDB_SCHEMA_INCOMPATIBLE with `details.differences`
 */
export function checkCompatible(former: SchemaDocument, next: SchemaDocument): void {
  const differences = schemaDifferences(former, next);
  if (differences.length === 0) return;
  const list = differences.map(({ path, message }) => `${path || '/'}: ${message}`).join('; ');
  throw new GridError<BcdbErrorCode>(
    'BCDB_SCHEMA_INCOMPATIBLE',
    `the schema is narrower: ${list}`,
    {
      hint: 'keep what was there, or make a type of the next version with a migration',
      details: { differences },
    },
  );
}

/** All ways in which `next` may refuse what `former` takes, up to `differencesMax`. */
export function schemaDifferences(
  former: SchemaDocument,
  next: SchemaDocument,
): readonly SchemaDifference[] {
  const differences: SchemaDifference[] = [];
  compare(former.root, next.root, '', differences);
  for (const field of next.fields) {
    const before = former.fields.find(({ name }) => name === field.name);
    if (field.isUnique && before?.isUnique !== true) {
      differences.push({ path: `/${field.path.join('/')}`, message: 'became unique' });
    }
    if (before !== undefined && (before.kind !== field.kind || before.isList !== field.isList)) {
      differences.push({ path: `/${field.path.join('/')}`, message: 'is ordered otherwise' });
    }
  }
  return differences.slice(0, differencesMax);
}

type Differences = SchemaDifference[];

function compare(former: SchemaNode, next: SchemaNode, path: string, found: Differences): void {
  if (found.length >= differencesMax || isAny(next)) return;
  if (isSame(former, next)) return;
  if (hasChoices(former) || hasChoices(next)) {
    compareChoices(choicesOf(former), choicesOf(next), path, found);
    return;
  }
  compareOne(former, next, path, found);
}

/** Each former choice must fit one choice of the new schema as a whole. */
function compareChoices(
  former: readonly SchemaNode[],
  next: readonly SchemaNode[],
  path: string,
  found: Differences,
): void {
  const texts = new Set(next.map((node) => canonicalText(node)));
  for (const choice of former) {
    if (texts.has(canonicalText(choice))) continue;
    const isTaken = next.some((node) => {
      const differences: Differences = [];
      compareOne(choice, node, path, differences);
      return differences.length === 0;
    });
    if (!isTaken) found.push({ path, message: `${shortText(choice)} is not taken any more` });
  }
}

function compareOne(former: SchemaNode, next: SchemaNode, path: string, found: Differences): void {
  if (isAny(next)) return;
  if ('const' in next) {
    if (!('const' in former) || former.const !== next.const) {
      found.push({ path, message: `only ${JSON.stringify(next.const)} is taken` });
    }
    return;
  }
  if (!isTypeTaken(former, next)) {
    found.push({ path, message: `was ${typeName(former)}, is ${typeName(next)}` });
    return;
  }
  compareLimits(former, next, path, found);
  if (next.type === 'object') compareObject(former, next, path, found);
  if (next.type === 'array')
    compare(former.items ?? {}, next.items ?? {}, pointer(path, '*'), found);
}

function isTypeTaken(former: SchemaNode, next: SchemaNode): boolean {
  if ('const' in former && former.type === undefined) {
    const type = former.const === null ? 'null' : typeof former.const;
    return next.type === type || (next.type === 'integer' && Number.isSafeInteger(former.const));
  }
  return former.type === next.type || (former.type === 'integer' && next.type === 'number');
}

const lowerLimits = [
  'minimum',
  'exclusiveMinimum',
  'minLength',
  'minItems',
  'minProperties',
] as const;
const upperLimits = [
  'maximum',
  'exclusiveMaximum',
  'maxLength',
  'maxItems',
  'maxProperties',
] as const;

function compareLimits(
  former: SchemaNode,
  next: SchemaNode,
  path: string,
  found: Differences,
): void {
  for (const keyword of lowerLimits) {
    const [before = -Infinity, after = -Infinity] = [former[keyword], next[keyword]];
    // A count cannot be below zero, so zero is no limit.
    const floor = keyword.startsWith('min') && keyword !== 'minimum' ? 0 : -Infinity;
    if (after > Math.max(before, floor))
      found.push({ path, message: `${keyword} grew to ${after}` });
  }
  for (const keyword of upperLimits) {
    const [before = Infinity, after = Infinity] = [former[keyword], next[keyword]];
    if (after < before) found.push({ path, message: `${keyword} fell to ${after}` });
  }
  for (const keyword of ['pattern', 'format'] as const) {
    if (next[keyword] !== undefined && next[keyword] !== former[keyword]) {
      found.push({ path, message: `${keyword} became ${next[keyword]}` });
    }
  }
  const [before, after] = [former.multipleOf, next.multipleOf];
  if (after !== undefined && (before === undefined || before % after !== 0)) {
    found.push({ path, message: `multipleOf became ${after}` });
  }
  if (next.uniqueItems === true && former.uniqueItems !== true) {
    found.push({ path, message: 'items must differ now' });
  }
}

function compareObject(
  former: SchemaNode,
  next: SchemaNode,
  path: string,
  found: Differences,
): void {
  const { properties: before = {}, required: needed = [] } = former;
  const { properties: after = {}, required = [] } = next;
  for (const [name, node] of Object.entries(before)) {
    const place = pointer(path, name);
    const now = Object.hasOwn(after, name) ? after[name] : undefined;
    if (now === undefined) found.push({ path: place, message: 'was removed' });
    else compare(node, now, place, found);
  }
  for (const name of required) {
    if (!needed.includes(name))
      found.push({ path: pointer(path, name), message: 'became required' });
  }
  const [othersBefore, othersAfter] = [othersOf(former), othersOf(next)];
  if (othersBefore !== undefined) {
    // What had any name before may already have this one, with another kind of value.
    for (const [name, node] of Object.entries(after)) {
      if (!Object.hasOwn(before, name)) compare(othersBefore, node, pointer(path, name), found);
    }
    if (othersAfter === undefined) found.push({ path, message: 'other members are not taken' });
    else compare(othersBefore, othersAfter, pointer(path, '*'), found);
  }
  const [patternBefore, patternAfter] = [former, next].map(mapPattern);
  if (patternAfter !== undefined && patternAfter !== patternBefore) {
    found.push({ path, message: 'the names of members are narrower' });
  }
}

/** The schema of members without a name of their own; undefined where there can be none. */
function othersOf(node: SchemaNode): SchemaNode | undefined {
  const ofPattern = Object.values(node.patternProperties ?? {})[0];
  if (ofPattern !== undefined) return ofPattern;
  const { additionalProperties: others = false } = node;
  if (typeof others === 'object') return others;
  return others ? {} : undefined;
}

function mapPattern(node: SchemaNode): string | undefined {
  return Object.keys(node.patternProperties ?? {})[0];
}

/** The alternatives of a union or enum; one for anything else. */
function choicesOf(node: SchemaNode): readonly SchemaNode[] {
  if (node.anyOf !== undefined) return node.anyOf.flatMap(choicesOf);
  if (node.enum !== undefined) return node.enum.map((value) => ({ const: value }));
  return 'const' in node ? [{ const: node.const ?? null }] : [node];
}

function hasChoices(node: SchemaNode): boolean {
  return node.anyOf !== undefined || node.enum !== undefined;
}

function isAny(node: SchemaNode): boolean {
  return (
    node.type === undefined &&
    node.anyOf === undefined &&
    node.enum === undefined &&
    !('const' in node)
  );
}

function isSame(a: SchemaNode, b: SchemaNode): boolean {
  return canonicalText(a) === canonicalText(b);
}

function typeName(node: SchemaNode): string {
  return node.type ?? ('const' in node ? JSON.stringify(node.const) : 'any');
}

function shortText(node: SchemaNode): string {
  return 'const' in node ? JSON.stringify(node.const) : `the choice ${typeName(node)}`;
}
