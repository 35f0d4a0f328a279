/** One place of a schema. Which members may be there together is checked by `checkNode`. */
export interface SchemaNode {
  readonly type?: SchemaType;
  readonly const?: string | number | boolean | null;
  readonly enum?: readonly (string | number | boolean | null)[];
  readonly anyOf?: readonly SchemaNode[];

  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  /** Absent means false, other than in JSON Schema. */
  readonly additionalProperties?: boolean | SchemaNode;
  /** One pattern and the schema of its values: a map. */
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>;
  readonly minProperties?: number;
  readonly maxProperties?: number;

  readonly items?: SchemaNode;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;

  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: SchemaFormat;

  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly multipleOf?: number;

  readonly default?: unknown;
  readonly title?: string;
  readonly description?: string;
  readonly 'x-bcdb'?: FieldMarks;
}

export const schemaTypes = [
  'object',
  'array',
  'string',
  'integer',
  'number',
  'boolean',
  'null',
] as const;
export type SchemaType = (typeof schemaTypes)[number];

export const schemaFormats = ['date', 'date-time', 'email', 'uuid', 'uri'] as const;
export type SchemaFormat = (typeof schemaFormats)[number];

/** What BCDB does with a property beyond checking it. */
export interface FieldMarks {
  /** Can be looked up, compared and sorted by. */
  readonly index?: true;
  /** As index, and no two objects of the type in the namespace share a value. */
  readonly unique?: true;
  /** Found by full text search. */
  readonly fts?: true;
  /** The text is the id of an object of this type. */
  readonly ref?: string;
  /** True: the text is an ISO 4217 code. A code: the decimal is an amount in it. */
  readonly currency?: true | string;
}

/** A step further in a JSON Pointer (RFC 6901). */
export function pointer(path: string, step: string | number): string {
  return `${path}/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
