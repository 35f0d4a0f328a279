import { Type } from 'typebox';
import type { TArray, TInteger, TObject, TSchema, TString } from 'typebox';
import { decimalPatternOf } from './decimal.ts';
import type { DecimalOptions } from './decimal.ts';

/**
 * Typed builders of schemas: TypeBox with the marks of BCDB. The type of a payload is
 * `Static<typeof schema>`. `Type` itself serves for all else.
 *
 *     const contact = Type.Object({
 *       name: searchable(indexed(Text())),
 *       email: unique(Text({ maxLength: 254 })),
 *       born: Type.Optional(indexed(DateText())),
 *       limit: Money(),
 *       employer: Type.Optional(Ref('net.example.company.1')),
 *     });
 */
export function Text(options: { minLength?: number; maxLength?: number } = {}): TString {
  return Type.String({ maxLength: 64 * 1024, ...options });
}

/** A number as text: exact, and sorted by its value. */
export function Decimal(options: DecimalOptions & { currency?: string } = {}): TString {
  const { currency } = options;
  return Type.String({
    pattern: decimalPatternOf(options),
    ...(currency === undefined ? {} : { 'x-bcdb': { currency } }),
  });
}

/** A decimal amount and the ISO 4217 code of its currency. */
export function Money(
  options: DecimalOptions = {},
): TObject<{ amount: TString; currency: TString }> {
  return Type.Object({
    amount: Decimal(options),
    currency: Type.String({ pattern: '^[A-Z]{3}$', 'x-bcdb': { currency: true } }),
  });
}

/** A day: `2026-01-31`. */
export function DateText(): TString {
  return Type.String({ format: 'date' });
}

/** A moment: `2026-01-31T12:00:00Z`; compared to the millisecond. */
export function DateTime(): TString {
  return Type.String({ format: 'date-time' });
}

/** A moment in milliseconds since 1970. */
export function Timestamp(): TInteger {
  return Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
}

/** The id of an object of another type. */
export function Ref(url: string): TString {
  return Type.String({ maxLength: 192, 'x-bcdb': { index: true, ref: url } });
}

type Scalar = TSchema | TArray;

/** The same schema, looked up, compared and sorted by in `find`. */
export function indexed<T extends Scalar>(schema: T): T {
  return marked(schema, { index: true });
}

/** The same schema; no two objects of the type share a value. */
export function unique<T extends Scalar>(schema: T): T {
  return marked(schema, { unique: true });
}

/** The same schema, found by `search`. */
export function searchable<T extends Scalar>(schema: T): T {
  return marked(schema, { fts: true });
}

function marked<T extends Scalar>(schema: T, marks: Readonly<Record<string, true>>): T {
  const former = (schema as { 'x-bcdb'?: object })['x-bcdb'];
  // TypeBox keeps notes in hidden members: copy those too.
  const copy: T = Object.create(
    Object.getPrototypeOf(schema) as object,
    Object.getOwnPropertyDescriptors(schema),
  );
  return Object.assign(copy, { 'x-bcdb': { ...former, ...marks } });
}
