import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';

/** The error of a schema that cannot be taken, with the place of the fault. */
export function schemaInvalid(
  path: string,
  message: string,
  cause?: unknown,
): GridError<BcdbErrorCode> {
  return new GridError('BCDB_SCHEMA_INVALID', `schema at ${path === '' ? '/' : path}: ${message}`, {
    hint: 'docs/formats/bcdb-schema.md lists what a schema may hold',
    details: { path },
    cause,
  });
}
