import { recordTypes } from '../record-types.ts';
import type { RecordUrl } from '../record-types.ts';
import { judgeApproval } from './approval-rules.ts';
import { judgeContract } from './contract-rules.ts';
import { judgeGrant } from './grant-rules.ts';
import { refuseGrid } from './grid-view.ts';
import type { GridVerdict, GridView } from './grid-view.ts';
import type { JudgedRecord } from './identity-view.ts';
import { judgeLease } from './lease-rules.ts';
import { judgeLock } from './lock-rules.ts';
import { judgePlacement } from './placement-rules.ts';
import { judgeEvent, judgeReceipt } from './report-rules.ts';
import { judgeSlice } from './slice-rules.ts';
import { judgeSoftware } from './software-rules.ts';
import { judgeTombstone } from './tombstone-rules.ts';

/** Types of the records that these rules judge. */
export type GridUrl = keyof typeof rules;

/** Whether a record of this type is judged here. */
export function isGridUrl(url: string): url is GridUrl {
  return Object.hasOwn(rules, url);
}

/**
 * Judges a record about a contract and what runs by it: refused with a code, or the states that it
 * changes. Pure: no clock but log time, no chance, no input or output.
 */
export function judgeGrid(view: GridView, record: JudgedRecord<GridUrl>): GridVerdict {
  if (record.op !== 'put') return refuseGrid('GRID_PERMANENT');
  if (recordTypes.get(record.url)?.objectOf(record.value) !== record.obj) {
    return refuseGrid('GRID_OBJECT_MISMATCH');
  }
  return (rules[record.url] as Rule)(view, record);
}

type Rule = (view: GridView, record: JudgedRecord) => GridVerdict;

const rules = {
  'grid.approval.1': judgeApproval,
  'grid.contract.1': judgeContract,
  'grid.event.1': judgeEvent,
  'grid.grant.1': judgeGrant,
  'grid.lease.1': judgeLease,
  'grid.lock.1': judgeLock,
  'grid.placement.1': judgePlacement,
  'grid.receipt.1': judgeReceipt,
  'grid.slice.1': judgeSlice,
  'grid.software.1': judgeSoftware,
  'grid.tombstone.1': judgeTombstone,
} as const satisfies { readonly [Url in RecordUrl]?: unknown };
