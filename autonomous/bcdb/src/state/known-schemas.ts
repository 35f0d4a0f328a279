import type { JsonValue } from '@commongrid/crypto';
import { checkCompatible } from '../schema/compatibility.ts';
import { compileSchema } from '../schema/compiled-schema.ts';
import type { IndexedField } from '../schema/field-marks.ts';
import { parseSchema } from '../schema/schema-document.ts';

/** A field that names another object. */
export interface Reference {
  readonly field: string;
  readonly url: string;
  readonly obj: string;
}

/** What the rules ask of a schema. */
export interface KnownSchema {
  /** SHA-256 of its canonical text, base64url. */
  readonly id: string;
  /** @throws BCDB_SCHEMA_MISMATCH */
  check(value: JsonValue): void;
  /** Values of the unique fields, by name of the field; absent fields hold nothing. */
  uniqueValues(value: JsonValue): ReadonlyMap<string, JsonValue>;
  references(value: JsonValue): readonly Reference[];
}

/** The schema that a document holds; compiled once for as long as the document is kept. */
export function knownSchema(json: JsonValue): KnownSchema {
  const key = typeof json === 'object' && json !== null ? json : undefined;
  const known = key && compiled.get(key);
  if (known !== undefined) return known;
  const made = makeKnown(json);
  if (key !== undefined) compiled.set(key, made);
  return made;
}

/** @throws BCDB_SCHEMA_INVALID, BCDB_SCHEMA_INCOMPATIBLE */
export function checkSchemaChange(before: JsonValue, after: JsonValue): void {
  checkCompatible(parseSchema(before), parseSchema(after));
}

const compiled = new WeakMap<object, KnownSchema>();

function makeKnown(json: JsonValue): KnownSchema {
  const document = parseSchema(json);
  const schema = compileSchema(document);
  const uniques = document.fields.filter(({ isUnique }) => isUnique);
  const references = document.fields.filter(({ ref }) => ref !== undefined);
  return {
    id: document.id,
    check: (value) => schema.assert(value),
    uniqueValues: (value) => {
      const found = new Map<string, JsonValue>();
      for (const field of uniques) {
        const [one] = valuesOf(field, value);
        if (one !== undefined && one !== null) found.set(field.name, one);
      }
      return found;
    },
    references: (value) =>
      references.flatMap((field) =>
        valuesOf(field, value).flatMap((one) =>
          typeof one === 'string' ? [{ field: field.name, url: field.ref ?? '', obj: one }] : [],
        ),
      ),
  };
}

/** What a payload has in a field: nothing, one value, or those of a list. */
function valuesOf({ path, isList }: IndexedField, payload: JsonValue): readonly JsonValue[] {
  let value: JsonValue | undefined = payload;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
    const members = value as Readonly<Record<string, JsonValue>>;
    value = Object.hasOwn(members, step) ? members[step] : undefined;
  }
  if (value === undefined) return [];
  return isList && Array.isArray(value) ? value : [value];
}
