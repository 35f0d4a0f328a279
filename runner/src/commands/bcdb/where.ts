import type { ClientFind } from '@commongrid/bcdb/client';
import { InvalidArgumentError } from 'commander';

type Where = NonNullable<ClientFind['where']>;
type OrderBy = NonNullable<ClientFind['orderBy']>;

/** Longer ones first: `>=` is not `>`. */
const operators = [
  ['!=', 'ne'],
  ['>=', 'gte'],
  ['<=', 'lte'],
  ['^=', 'prefix'],
  ['~=', 'contains'],
  ['=', 'eq'],
  ['>', 'gt'],
  ['<', 'lt'],
] as const;

/**
 * Gathers conditions such as `city=Ghent`, `age>=18`, `name^=A`, `tags~=red`; all must hold. A value
 * that is a JSON number, true, false or null is one; a text that looks like one goes in quotes.
 */
export function addCondition(text: string, before?: Where): Where {
  const match = /^([\w.\\-]+)\s*(!=|>=|<=|\^=|~=|=|>|<)(.*)$/s.exec(text);
  const [, field, sign, value = ''] = match ?? [];
  const op = operators.find(([one]) => one === sign)?.[1];
  if (field === undefined || op === undefined) {
    throw new InvalidArgumentError('give it as name=value, or with != > >= < <= ^= ~=');
  }
  const condition: Where = { field, op, value: valueOf(value) };
  return before === undefined ? condition : { and: [before, condition] };
}

/** Reads `name` or `name:desc`. */
export function parseOrder(text: string): OrderBy {
  const [, field, direction] = /^([\w.\\-]+)(?::(asc|desc))?$/.exec(text) ?? [];
  if (field === undefined) throw new InvalidArgumentError('give it as name or name:desc');
  return { field, direction: direction === 'desc' ? 'desc' : 'asc' };
}

function valueOf(text: string): string | number | boolean | null {
  try {
    const value: unknown = JSON.parse(text);
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) {
      return value as string | number | boolean | null;
    }
  } catch {
    // Most texts are no JSON.
  }
  return text;
}
