import { existsSync } from 'node:fs';
import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';

/** What a copy says that has records which a handover gave up. */
export function handedOver(
  message: string,
  hint: string,
  details: Readonly<Record<string, unknown>>,
): GridError<BcdbErrorCode> {
  return new GridError('BCDB_HANDED_OVER', message, { hint, details });
}

/** A name beside others that nothing has yet: what is given up is never written over. */
export function freePath(path: string, ending = ''): string {
  for (let count = 1; ; count++) {
    const free = `${path}${count === 1 ? '' : `-${count}`}${ending}`;
    if (!existsSync(free)) return free;
  }
}
