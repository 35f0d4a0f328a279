import { GridError } from '@commongrid/base';
import type { GridErrorOptions } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';

/** Why the rules do not let a record in. */
export function refusal(
  code: BcdbErrorCode,
  message: string,
  options: GridErrorOptions = {},
): GridError<BcdbErrorCode> {
  return new GridError(code, message, options);
}
