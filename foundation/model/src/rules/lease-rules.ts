import type { GridCode } from '../errors.ts';
import type { ContractId } from '../fields.ts';
import type { Contract } from '../records/contract.ts';
import { acceptGrid, isWhole, refuseGrid } from './grid-view.ts';
import type { GridVerdict, GridView } from './grid-view.ts';
import type { Moment } from './identity-state.ts';
import type { JudgedRecord } from './identity-view.ts';
import { keyStanding } from './keys.ts';

/**
 * Judges `grid.lease.1`. The order of the log is the compare-and-set: a fence is one above the last, so
 * that of two who want the same fence the first one has it. Whoever lets go repeats its record with
 * `isReleased`. Whether the former holder was silent for long enough is not asked here: no replica can
 * know that.
 */
export function judgeLease(
  view: Pick<GridView, 'current' | 'reader' | 'bot' | 'holderOf'>,
  { author, value, moment }: Pick<JudgedRecord<'grid.lease.1'>, 'author' | 'value' | 'moment'>,
): GridVerdict {
  const { name, holder, fence, ttlMs, isReleased = false } = value;
  if (author !== holder) return refuseGrid('LEASE_NOT_HOLDER');
  const former = view.current('grid.lease.1', name);
  const last = former?.fence ?? 0;
  // A reader may have missed fences, never the newest one that it relies on.
  const isNext = isWhole(view) ? fence === last + 1 : fence > last;
  if (isReleased) {
    const isSame = former?.fence === fence && former.holder === holder && former.ttlMs === ttlMs;
    if (isSame) return former.isReleased === true ? refuseGrid('LEASE_RELEASED') : acceptGrid();
    if (isWhole(view) || !isNext) return refuseGrid('LEASE_NOT_HOLDER');
  }
  if (!isNext) return refuseGrid('LEASE_FENCE');
  const [contract = ''] = name.split('/', 1);
  const header = view.current('grid.contract.1', contract);
  if (header === undefined) return refuseGrid('LEASE_CONTRACT_UNKNOWN');
  const mayHold = isController(view, header, holder, moment);
  return mayHold ? acceptGrid() : refuseGrid('LEASE_NOT_CONTROLLER');
}

/**
 * Whether a key that may speak is one of those that place and heal: named itself, or one that a bot that is
 * named lists at that moment. So a bot that changes its keys keeps its contracts.
 */
function isController(
  view: Pick<GridView, 'bot' | 'holderOf'>,
  { controllers }: Pick<Contract, 'controllers'>,
  key: string,
  moment: Moment,
): boolean {
  if (controllers.some((one) => one === key)) return true;
  const holder = view.holderOf(key);
  const bot = controllers.find((one) => one === holder);
  const span = bot && view.bot(bot)?.keys.find((one) => one.key === key);
  if (span === undefined || keyStanding(span, moment) !== 'valid') return false;
  return span.role === 'device' || span.role === 'controller';
}

/**
 * Why a key does not act for a whole contract under a fence, or under the newest one. Who took the lease
 * may have been taken off the list of the bot since.
 */
export function actorFault(
  view: GridView,
  contract: ContractId,
  author: string,
  moment: Moment,
  fence?: number,
): GridCode | undefined {
  const lease = view.current('grid.lease.1', contract);
  if (fence !== undefined && lease?.fence !== fence) return 'PLACEMENT_FENCE_OLD';
  if (lease?.holder !== author || lease.isReleased === true) return 'CONTRACT_NOT_HOLDER';
  const header = view.current('grid.contract.1', contract);
  if (header === undefined) return undefined;
  return isController(view, header, author, moment) ? undefined : 'LEASE_NOT_CONTROLLER';
}
