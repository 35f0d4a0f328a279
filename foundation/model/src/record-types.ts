import type { Static } from 'typebox';
import { GridError } from '@commongrid/base/browser';
import type { ModelErrorCode } from './errors.ts';
import type { RecordType } from './record-type.ts';
import { account } from './records/account.ts';
import { adoption } from './records/adoption.ts';
import { allowance } from './records/allowance.ts';
import { appointment } from './records/appointment.ts';
import { approval } from './records/approval.ts';
import { anchor } from './records/anchor.ts';
import { bookmark } from './records/bookmark.ts';
import { bot } from './records/bot.ts';
import { consent } from './records/consent.ts';
import { contact } from './records/contact.ts';
import { contract } from './records/contract.ts';
import { currency } from './records/currency.ts';
import { escrow } from './records/escrow.ts';
import { event } from './records/event.ts';
import { farm } from './records/farm.ts';
import { file } from './records/file.ts';
import { grant } from './records/grant.ts';
import { lease } from './records/lease.ts';
import { lock } from './records/lock.ts';
import { message } from './records/message.ts';
import { node } from './records/node.ts';
import { note } from './records/note.ts';
import { objection } from './records/objection.ts';
import { placement } from './records/placement.ts';
import { presence } from './records/presence.ts';
import { receipt } from './records/receipt.ts';
import { recovery } from './records/recovery.ts';
import { refund } from './records/refund.ts';
import { release } from './records/release.ts';
import { session } from './records/session.ts';
import { settlement } from './records/settlement.ts';
import { slice } from './records/slice.ts';
import { software } from './records/software.ts';
import { task } from './records/task.ts';
import { tombstone } from './records/tombstone.ts';
import { transfer } from './records/transfer.ts';

const types = {
  'grid.account.1': account,
  'grid.adoption.1': adoption,
  'grid.allowance.1': allowance,
  'grid.appointment.1': appointment,
  'grid.approval.1': approval,
  'grid.anchor.1': anchor,
  'grid.bookmark.1': bookmark,
  'grid.bot.1': bot,
  'grid.consent.1': consent,
  'grid.contact.1': contact,
  'grid.contract.1': contract,
  'grid.currency.1': currency,
  'grid.escrow.1': escrow,
  'grid.event.1': event,
  'grid.farm.1': farm,
  'grid.file.1': file,
  'grid.grant.1': grant,
  'grid.lease.1': lease,
  'grid.lock.1': lock,
  'grid.message.1': message,
  'grid.node.1': node,
  'grid.note.1': note,
  'grid.objection.1': objection,
  'grid.placement.1': placement,
  'grid.presence.1': presence,
  'grid.receipt.1': receipt,
  'grid.recovery.1': recovery,
  'grid.refund.1': refund,
  'grid.release.1': release,
  'grid.session.1': session,
  'grid.settlement.1': settlement,
  'grid.slice.1': slice,
  'grid.software.1': software,
  'grid.task.1': task,
  'grid.tombstone.1': tombstone,
  'grid.transfer.1': transfer,
} as const;

export type RecordUrl = keyof typeof types;

/** Value of a record of this type. */
export type RecordOf<Url extends RecordUrl> = Static<(typeof types)[Url]['schema']>;

/** Every type of record that the grid knows, by url. BCDB's own types are BCDB's. */
export const recordTypes: ReadonlyMap<string, RecordType> = new Map(Object.entries(types));

/**
 * The value of a record with its type, once it fits.
 * @throws MODEL_TYPE_UNKNOWN, MODEL_RECORD_INVALID
 */
export function parse<Url extends RecordUrl>(url: Url, value: unknown): RecordOf<Url>;
export function parse(url: string, value: unknown): unknown;
export function parse(url: string, value: unknown): unknown {
  const type = recordTypes.get(url);
  if (type !== undefined) return type.parse(value);
  throw new GridError<ModelErrorCode>('MODEL_TYPE_UNKNOWN', `no record type is called ${url}`, {
    details: { url },
  });
}
