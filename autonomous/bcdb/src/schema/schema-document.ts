import { isGridError } from '@commongrid/base';
import { canonicalHash, canonicalText } from '@commongrid/crypto';
import { collectFields } from './field-marks.ts';
import type { IndexedField } from './field-marks.ts';
import { checkNode } from './schema-check.ts';
import { schemaInvalid } from './schema-invalid.ts';
import type { SchemaNode } from './schema-node.ts';

/** A schema that passed `parseSchema`: it is safe to compile, and to run on what strangers send. */
export interface SchemaDocument {
  /** SHA-256 of the canonical text, base64url: what envelopes name. */
  readonly id: string;
  /** Canonical JSON. */
  readonly text: string;
  readonly root: SchemaNode;
  /** Properties with a mark, in order of their paths: what projections index. */
  readonly fields: readonly IndexedField[];
}

/** Longest canonical text of a schema, bytes. */
const schemaBytesMax = 64 * 1024;

/**
 * Reads a schema: JSON Schema in the subset of docs/formats/bcdb-schema.md, an object at its root.
 * @throws BCDB_SCHEMA_INVALID; `details.path` is the JSON Pointer of what is wrong
 */
export function parseSchema(json: unknown): SchemaDocument {
  const text = textOf(json);
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes > schemaBytesMax) {
    throw schemaInvalid('', `${sizeBytes} bytes of schema, ${schemaBytesMax} at most`);
  }
  // Read back: what is kept shares nothing with what the caller may change later.
  const root = JSON.parse(text) as SchemaNode;
  checkNode(root);
  return {
    id: Buffer.from(canonicalHash(root)).toString('base64url'),
    text,
    root,
    fields: collectFields(root),
  };
}

function textOf(json: unknown): string {
  try {
    // TypeBox keeps its own notes in hidden members, which JSON does not write.
    return canonicalText(JSON.parse(JSON.stringify(json) ?? 'null'));
  } catch (error) {
    if (!isGridError(error) && !(error instanceof TypeError)) throw error;
    throw schemaInvalid('', 'a schema must be JSON', error);
  }
}
