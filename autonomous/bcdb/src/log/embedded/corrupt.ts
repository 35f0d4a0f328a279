import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../../errors.ts';

/** Where a log is damaged. */
export interface BadPlace {
  /** The first sequence that is missing or damaged. */
  readonly seq: number;
  readonly file: string;
  readonly offset: number;
}

/** The error for entries that were acknowledged and are not there any more as they were. */
export function corrupt(place: BadPlace, what: string): GridError<BcdbErrorCode> {
  const { seq, file, offset } = place;
  return new GridError('BCDB_LOG_CORRUPT', `${file} ${what}: record ${seq}, at offset ${offset}`, {
    hint: 'restore the log from a replica or a backup: grid bcdb restore',
    details: { seq, file, offset },
  });
}
