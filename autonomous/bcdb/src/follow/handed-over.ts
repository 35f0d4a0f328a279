import { existsSync } from 'node:fs';
import { GridError, isGridError } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import { nodePrimitives } from '../tree/node-primitives.ts';
import { extendTrust } from '../tree/succession.ts';
import { Verifier } from '../tree/verifier.ts';
import type { Trust } from '../tree/verifier.ts';

/** What a copy says that has records which a handover gave up. */
export function handedOver(
  message: string,
  hint: string,
  details: Readonly<Record<string, unknown>>,
): GridError<BcdbErrorCode> {
  return new GridError('BCDB_HANDED_OVER', message, { hint, details });
}

/** What a follower of heads or feeds says once, before it begins anew. */
export function branchGivenUp(
  hint: string,
  note: string | undefined,
  { handovers }: Trust,
): GridError<BcdbErrorCode> {
  return handedOver(
    'the admins gave up the branch of the log that was followed, and went on with another',
    hint,
    { seen: note, handovers },
  );
}

/** The trust with the handovers that a source shows; the same trust where it shows none, or lies. */
export function extendedTrust(trust: Trust, succession: unknown, logger: Logger): Trust {
  if (succession === undefined) return trust;
  try {
    return extendTrust(nodePrimitives, trust, succession);
  } catch (error) {
    if (!isGridError(error)) throw error;
    logger.warn({ err: error }, 'the source shows a handover that is none');
    return trust;
  }
}

/** Whether a head that was seen before still counts: no handover gave it up since. */
export function isKept(note: string, trust: Trust): boolean {
  try {
    new Verifier(nodePrimitives).verifyCheckpoint(note, trust);
    return true;
  } catch (error) {
    if (isGridError(error, 'BCDB_CHECKPOINT_UNSIGNED')) return false;
    throw error;
  }
}

/** A name beside others that nothing has yet: what is given up is never written over. */
export function freePath(path: string, ending = ''): string {
  for (let count = 1; ; count++) {
    const free = `${path}${count === 1 ? '' : `-${count}`}${ending}`;
    if (!existsSync(free)) return free;
  }
}
