import { BlockList, isIP } from 'node:net';

import { parseIsoDate } from '../protocol/dates.ts';
import { S3Error } from '../protocol/s3-error.ts';
import { conditionKey } from './condition-keys.ts';
import type { ConditionFacts, ConditionKey, KeyKind } from './condition-keys.ts';
import { fitsPattern } from './pattern.ts';

/** One key of a condition; all conditions of a statement must hold. */
export interface Condition {
  holds(facts: ConditionFacts): boolean;
}

/** How the value of a request is compared with one of the policy. */
type Comparison = (value: string) => boolean;

interface Operator {
  readonly kind: KeyKind;
  /** Holds when none of the values fits, and when the request has no value. */
  readonly isNegated?: true;
  /** @returns undefined when the text of the policy is no such value */
  readonly compare: (text: string) => Comparison | undefined;
}

type Compare = Operator['compare'];

const equals: Compare = (text) => (value) => value === text;
const equalsAnyCase: Compare = (text) => (value) => value.toLowerCase() === text.toLowerCase();
const like: Compare = (text) => (value) => fitsPattern(value, text);
const truth: Compare = (text) =>
  /^(?:true|false)$/i.test(text) ? (value) => value === text.toLowerCase() : undefined;

function numeric(fits: (value: number, limit: number) => boolean): Compare {
  return (text) => {
    const limit = numberOf(text);
    if (limit === undefined) return undefined;
    return (value) => {
      const number = numberOf(value);
      return number !== undefined && fits(number, limit);
    };
  };
}

function dated(fits: (value: number, limit: number) => boolean): Compare {
  return (text) => {
    const limit = dateOf(text);
    return limit === undefined ? undefined : (value) => fits(Number(value), limit);
  };
}

const operators: Readonly<Record<string, Operator>> = {
  StringEquals: { kind: 'string', compare: equals },
  StringNotEquals: { kind: 'string', compare: equals, isNegated: true },
  StringEqualsIgnoreCase: { kind: 'string', compare: equalsAnyCase },
  StringNotEqualsIgnoreCase: { kind: 'string', compare: equalsAnyCase, isNegated: true },
  StringLike: { kind: 'string', compare: like },
  StringNotLike: { kind: 'string', compare: like, isNegated: true },
  NumericEquals: { kind: 'number', compare: numeric((a, b) => a === b) },
  NumericNotEquals: { kind: 'number', compare: numeric((a, b) => a === b), isNegated: true },
  NumericLessThan: { kind: 'number', compare: numeric((a, b) => a < b) },
  NumericLessThanEquals: { kind: 'number', compare: numeric((a, b) => a <= b) },
  NumericGreaterThan: { kind: 'number', compare: numeric((a, b) => a > b) },
  NumericGreaterThanEquals: { kind: 'number', compare: numeric((a, b) => a >= b) },
  DateEquals: { kind: 'date', compare: dated((a, b) => a === b) },
  DateNotEquals: { kind: 'date', compare: dated((a, b) => a === b), isNegated: true },
  DateLessThan: { kind: 'date', compare: dated((a, b) => a < b) },
  DateLessThanEquals: { kind: 'date', compare: dated((a, b) => a <= b) },
  DateGreaterThan: { kind: 'date', compare: dated((a, b) => a > b) },
  DateGreaterThanEquals: { kind: 'date', compare: dated((a, b) => a >= b) },
  Bool: { kind: 'bool', compare: truth },
  IpAddress: { kind: 'ip', compare: network },
  NotIpAddress: { kind: 'ip', compare: network, isNegated: true },
};

/**
 * The conditions of a statement, read once and held against many requests.
 * @throws S3Error MalformedPolicy for operators, keys and values that are not known here
 */
export function parseConditions(block: unknown): readonly Condition[] {
  return entriesOf(block, 'Condition').flatMap(([operator, keys]) =>
    entriesOf(keys, operator).map(([name, values]) => conditionOf(operator, name, values)),
  );
}

function conditionOf(operator: string, name: string, given: unknown): Condition {
  const key = conditionKey(name);
  if (key === undefined) throw malformed(`Policy has an invalid condition key: ${name}`);
  const values = (Array.isArray(given) ? given : [given]).map((value) => textOf(value, name));
  if (values.length === 0) throw malformed(`The condition on ${name} has no value.`);
  if (operator === 'Null') return nullCondition(key, values);
  const isOptional = operator.endsWith('IfExists');
  const known = Object.entries(operators).find(
    ([other]) => other === (isOptional ? operator.slice(0, -'IfExists'.length) : operator),
  )?.[1];
  if (known === undefined) throw malformed(`Policy has an invalid condition operator: ${operator}`);
  if (known.kind !== key.kind) throw malformed(`${operator} cannot be used with ${name}.`);
  const comparisons = values.map((value) => {
    const comparison = known.compare(value);
    if (comparison === undefined) throw malformed(`${value} is no value for ${operator}.`);
    return comparison;
  });
  const isNegated = known.isNegated === true;
  return {
    holds: (facts) => {
      const value = key.valueOf(facts);
      if (value === undefined) return isOptional || isNegated;
      return comparisons.some((compare) => compare(value)) !== isNegated;
    },
  };
}

function nullCondition(key: ConditionKey, values: readonly string[]): Condition {
  const [value = ''] = values;
  if (values.length !== 1 || !/^(?:true|false)$/i.test(value)) {
    throw malformed('Null takes one value, true or false.');
  }
  const isAbsent = value.toLowerCase() === 'true';
  return { holds: (facts) => (key.valueOf(facts) === undefined) === isAbsent };
}

function entriesOf(value: unknown, name: string): readonly (readonly [string, unknown])[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(`${name} must be an object.`);
  }
  const entries = Object.entries(value);
  if (entries.length === 0) throw malformed(`${name} is empty.`);
  return entries;
}

function textOf(value: unknown, name: string): string {
  const isValue = ['string', 'number', 'boolean'].includes(typeof value);
  const text = String(value);
  if (!isValue || text.includes('${')) throw malformed(`The condition on ${name} is not valid.`);
  return text;
}

/** Addresses of `10.0.0.0/8`, `2001:db8::/32` or a single one. */
function network(text: string): Comparison | undefined {
  const [address = '', bits, ...more] = text.split('/');
  const version = isIP(address);
  const length = version === 4 ? 32 : 128;
  if (version === 0 || more.length > 0) return undefined;
  const prefix = bits === undefined ? length : Number(/^\d{1,3}$/.exec(bits)?.[0] ?? -1);
  if (prefix < 0 || prefix > length) return undefined;
  const list = new BlockList();
  list.addSubnet(address, prefix, version === 4 ? 'ipv4' : 'ipv6');
  return (value) => {
    const other = isIP(value);
    return other !== 0 && list.check(value, other === 4 ? 'ipv4' : 'ipv6');
  };
}

function numberOf(text: string): number | undefined {
  return /^-?\d{1,15}(?:\.\d{1,6})?$/.test(text) ? Number(text) : undefined;
}

/** Milliseconds of a date, or of seconds since 1970. */
function dateOf(text: string): number | undefined {
  return /^\d{1,11}$/.test(text) ? Number(text) * 1000 : parseIsoDate(text);
}

function malformed(why: string): S3Error {
  return new S3Error('MalformedPolicy', why);
}
