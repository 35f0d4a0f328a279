import { GridError } from '@commongrid/base';
import { Check, Compile } from 'typebox/schema';
import type { XSchema } from 'typebox/schema';
import type { BcdbErrorCode } from '../errors.ts';
import { firstMismatch } from './mismatch.ts';
import type { Mismatch } from './mismatch.ts';
import type { SchemaDocument } from './schema-document.ts';
import type { SchemaNode } from './schema-node.ts';

export interface CompileOptions {
  /** Whether code may be generated. Default true; without it a check takes 100 times as long. */
  readonly mayEval?: boolean;
}

/** A schema ready to check payloads. */
export interface CompiledSchema {
  readonly document: SchemaDocument;
  readonly accepts: (value: unknown) => boolean;
  /** @throws BCDB_SCHEMA_MISMATCH with `details.path` and `details.expected` */
  readonly assert: (value: unknown) => void;
  /** The first place where a value breaks the schema. */
  readonly mismatch: (value: unknown) => Mismatch | undefined;
}

/**
 * Compiles a schema that `parseSchema` let pass. TypeBox gives the verdict, so that all replicas
 * judge alike; what exactly is wrong is worked out only for payloads that were refused.
 */
export function compileSchema(
  document: SchemaDocument,
  options: CompileOptions = {},
): CompiledSchema {
  const strict = strictNode(document.root);
  const accepts = checkOf(strict, options.mayEval ?? true);
  const mismatch = (value: unknown): Mismatch | undefined =>
    accepts(value)
      ? undefined
      : (firstMismatch(strict, value) ?? { path: '', expected: 'what the schema says' });
  return {
    document,
    accepts,
    mismatch,
    assert: (value) => {
      const found = mismatch(value);
      if (found !== undefined) throw mismatched(document, found);
    },
  };
}

function checkOf(schema: XSchema, mayEval: boolean): (value: unknown) => boolean {
  if (!mayEval) return (value) => Check(schema, value);
  const validator = Compile(schema);
  return (value) => validator.Check(value);
}

/**
 * The schema with what BCDB takes for granted written out: objects are closed unless they say
 * otherwise, and whole numbers are those that every JSON reader keeps exactly.
 */
function strictNode(node: SchemaNode): SchemaNode {
  const { properties, patternProperties, additionalProperties, items, anyOf } = node;
  const each = (nodes: Readonly<Record<string, SchemaNode>>): Record<string, SchemaNode> =>
    Object.fromEntries(Object.entries(nodes).map(([name, one]) => [name, strictNode(one)]));
  return {
    ...node,
    ...(node.type === 'object' ? { additionalProperties: false } : {}),
    ...(node.type === 'integer' ? integerBounds(node) : {}),
    ...(properties === undefined ? {} : { properties: each(properties) }),
    ...(patternProperties === undefined ? {} : { patternProperties: each(patternProperties) }),
    ...(additionalProperties === undefined
      ? {}
      : { additionalProperties: strictOthers(additionalProperties) }),
    ...(items === undefined ? {} : { items: strictNode(items) }),
    ...(anyOf === undefined ? {} : { anyOf: anyOf.map(strictNode) }),
  };
}

function strictOthers(others: boolean | SchemaNode): boolean | SchemaNode {
  return typeof others === 'boolean' ? others : strictNode(others);
}

function integerBounds({ minimum, maximum }: SchemaNode): Partial<SchemaNode> {
  return {
    minimum: Math.max(minimum ?? Number.MIN_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
    maximum: Math.min(maximum ?? Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  };
}

function mismatched(
  document: SchemaDocument,
  { path, expected }: Mismatch,
): GridError<BcdbErrorCode> {
  const place = path === '' ? 'the payload' : path;
  return new GridError('BCDB_SCHEMA_MISMATCH', `${place}: expected ${expected}`, {
    hint: `compare it with schema ${document.id}`,
    details: { path, expected, schema: document.id },
  });
}
