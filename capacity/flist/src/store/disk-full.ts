import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';

export function diskFull(cause: unknown): GridError<FlistErrorCode> {
  return new GridError('FLIST_DISK_FULL', 'the disk of the store is full', {
    hint: 'make room on the disk, or give the store fewer bytes',
    retryable: true,
    cause,
  });
}
