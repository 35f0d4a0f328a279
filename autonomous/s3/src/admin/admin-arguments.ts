import { GridError } from '@commongrid/base';
import type { ControlArguments } from '@commongrid/base';

import type { S3PackageErrorCode } from '../errors.ts';
import { rights } from '../rights/actions.ts';
import type { Right } from '../rights/actions.ts';

/** A text that must be there. @throws S3_ORDER_INVALID */
export function textIn(args: ControlArguments, name: string): string {
  const value = args[name];
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(`it needs ${name}`);
}

/** A text that may be there. */
export function optionalText(args: ControlArguments, name: string): string | undefined {
  const value = args[name];
  return typeof value === 'string' ? value : undefined;
}

/** `null` takes a limit away, undefined leaves it. @throws S3_ORDER_INVALID */
export function limitIn(args: ControlArguments, name: string): number | null | undefined {
  const value = args[name];
  if (value === undefined || value === null) return value;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(`${name} must be a whole number`);
}

/** What a user is to have on buckets: `{ BUCKET: ['read', ...] }`. @throws S3_ORDER_INVALID */
export function grantsIn(args: ControlArguments): ReadonlyMap<string, readonly Right[]> {
  const { grants = {} } = args;
  if (typeof grants !== 'object' || grants === null) throw invalid('grants must be an object');
  return new Map(
    Object.entries(grants).map(([bucket, given]) => {
      const known = rights.filter((right) => Array.isArray(given) && given.includes(right));
      if (Array.isArray(given) && known.length === given.length) return [bucket, known];
      throw invalid('rights are read, write and admin, each once');
    }),
  );
}

function invalid(why: string): GridError<S3PackageErrorCode> {
  return new GridError('S3_ORDER_INVALID', `this order cannot be taken: ${why}`, {
    hint: 'use the same version on both sides: restart the head that runs',
  });
}
