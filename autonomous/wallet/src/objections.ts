import { createHash } from 'node:crypto';
import { GridError } from '@commongrid/base';
import { workloadOf } from '@commongrid/model';
import type { LockId, RecordOf } from '@commongrid/model';
import type { WalletErrorCode } from './errors.ts';
import type { Rail } from './rail.ts';
import { sayOnce } from './say-once.ts';
import type { WaitOptions } from './say-once.ts';

/** Seconds of a lock that are not to be paid. */
export interface ObjectionOrder {
  readonly lock: LockId;
  /** From, inclusive, and to, exclusive: ms of log time, not older than the lock's time for disputes. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly reason?: string;
}

/** What is to become of seconds that were objected to. */
export interface Decision {
  readonly lock: LockId;
  /** Of the objection. */
  readonly id: string;
  readonly says: 'pay' | 'refund';
}

/**
 * Objects to seconds of a lock: they are not paid while two of buyer, farmer and arbiter have not decided. The same
 * seconds are objected to once. Returns the id of the objection.
 * @throws WALLET_LOCK_UNKNOWN, BCDB_RULE_BROKEN
 */
export async function objectTo(
  rail: Rail,
  { lock: id, fromMs, toMs, reason }: ObjectionOrder,
  options: WaitOptions = {},
): Promise<string> {
  const { fold } = await rail.sync(options);
  const lock = fold.current('grid.lock.1', id);
  if (lock === undefined) throw unknown('WALLET_LOCK_UNKNOWN', `no lock ${id} is known`);
  const hash = createHash('sha256')
    .update(JSON.stringify([rail.log, rail.bot, id, fromMs, toMs]))
    .digest();
  const objection = hash.subarray(0, 16).toString('hex');
  const value: RecordOf<'grid.objection.1'> = {
    ...{ id: objection, lock: id, workload: workloadOf(lock), by: rail.bot },
    ...{ fromMs, toMs, says: 'object' },
    ...(reason === undefined ? {} : { reason }),
  };
  const object = `${id}/${objection}/${rail.bot}`;
  await sayOnce(
    rail,
    'grid.objection.1',
    value,
    (view) => view.fold.current('grid.objection.1', object) !== undefined,
    options,
  );
  return objection;
}

/**
 * Says it; two of buyer, farmer and arbiter who say the same decide.
 * @throws WALLET_OBJECTION_UNKNOWN, BCDB_RULE_BROKEN
 */
export async function decideObjection(
  rail: Rail,
  { lock, id, says }: Decision,
  options: WaitOptions = {},
): Promise<void> {
  const { fold } = await rail.sync(options);
  const all = [...fold.objects('grid.objection.1')];
  const made = all.find((one) => one.lock === lock && one.id === id);
  if (made === undefined) {
    throw unknown('WALLET_OBJECTION_UNKNOWN', `no objection ${id} to ${lock} is known`);
  }
  const { workload, fromMs, toMs } = made;
  const value = { id, lock, workload, by: rail.bot, fromMs, toMs, says };
  const object = `${lock}/${id}/${rail.bot}`;
  await sayOnce(
    rail,
    'grid.objection.1',
    value,
    (view) => view.fold.current('grid.objection.1', object)?.says === says,
    options,
  );
}

function unknown(code: WalletErrorCode, message: string): GridError<WalletErrorCode> {
  return new GridError(code, message, { hint: 'ask the other side for its id' });
}
