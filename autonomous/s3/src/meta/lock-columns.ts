import type { ObjectLock } from '../protocol/object-headers.ts';
import { numberOf } from './statements.ts';
import type { Row } from './statements.ts';

const modes = [undefined, 'GOVERNANCE', 'COMPLIANCE'] as const;

/** A mode as `lock_mode` has it: 0 for none. */
export function modeNumber(mode: ObjectLock['mode'] | undefined): number {
  return modes.indexOf(mode);
}

export function modeOf(column: unknown): ObjectLock['mode'] | undefined {
  return modes[Number(column)];
}

export interface LockState {
  readonly lock: ObjectLock | undefined;
  /** undefined when nobody ever said. */
  readonly legalHold: boolean | undefined;
}

/** The values of lock_mode, retain_until_ms and legal_hold. */
export function lockValues({
  lock,
  legalHold,
}: LockState): readonly [number, number | null, number | null] {
  const hold = legalHold === undefined ? null : Number(legalHold);
  return [modeNumber(lock?.mode), lock?.retainUntilMs ?? null, hold];
}

export function lockStateOf(row: Row): LockState {
  const mode = modeOf(row['lock_mode']);
  const hold = numberOf(row['legal_hold']);
  return {
    lock: mode && { mode, retainUntilMs: Number(row['retain_until_ms']) },
    legalHold: hold === undefined ? undefined : hold === 1,
  };
}
