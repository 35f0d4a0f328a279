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

/** A payload that cannot have been erased is not here: who left it out is to blame, not its author. */
export function withheld(seq: number): GridError<BcdbErrorCode> {
  return refusal('BCDB_ENTRIES_WITHHELD', `the payload of record ${seq} is needed, and not here`, {
    hint: 'get the log from another source',
    retryable: true,
    details: { sequences: [seq] },
  });
}

/** A rule of the namespace, by the code of the package that has it, refuses a change. */
export function ruleBroken(what: string, rule: string): GridError<BcdbErrorCode> {
  return refusal('BCDB_RULE_BROKEN', `${what}: ${rule}`, {
    hint: `grid explain ${rule}`,
    details: { rule },
  });
}
