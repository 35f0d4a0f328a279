import { parse } from '@commongrid/model';
import type { RecordOf } from '@commongrid/model';
import type { Genesis } from '../record/genesis.ts';
import type { Identities } from './identities.ts';
import { refusal } from './refusal.ts';
import type { ValidatedChange } from './validator.ts';

export const presenceUrl = 'grid.presence.1';

export type PresenceSummary = RecordOf<typeof presenceUrl>;

/** Why a summary is refused: `details.rule` of BCDB_RULE_BROKEN. */
export type PresenceRule =
  | 'PRESENCE_AHEAD' // it ends after log time, or begins before the log: look at the sequencer's clock
  | 'PRESENCE_INTERVALS' // from, to and gaps are not in order: a fault of the sequencer
  | 'PRESENCE_NODE_UNKNOWN' // no such node or session is in the log
  | 'PRESENCE_NOT_SEQUENCER' // only the sequencer sees all heartbeats: nobody else may say this
  | 'PRESENCE_OBJECT_MISMATCH' // the object is not called as the node is
  | 'PRESENCE_OVERLAPS'; // it begins before the former summary of the node ends

/**
 * Judges `grid.presence.1`: what the sequencer saw of a node. Time that was told once cannot be told
 * again in another way, and no time is told before it is over; so the seconds that a farmer is paid
 * for come from one record each.
 */
export function judgePresence(
  identities: Pick<Identities, 'node' | 'current'>,
  { sequencer, at: beginMs }: Pick<Genesis, 'sequencer' | 'at'>,
  { obj, author, value, at }: ValidatedChange,
): void {
  const summary = parse(presenceUrl, value);
  const { node, session, fromMs, toMs } = summary;
  require(author === sequencer, 'PRESENCE_NOT_SEQUENCER', 'only the sequencer tells of presence');
  require(node === obj, 'PRESENCE_OBJECT_MISMATCH', `${obj} is not the presence of ${node}`);
  const last = identities.node(node)?.session?.n ?? 0;
  const isKnown = session >= 1 && session <= last;
  require(isKnown, 'PRESENCE_NODE_UNKNOWN', `the log knows no session ${session} of ${node}`);
  const isOver = beginMs <= fromMs && toMs <= at;
  require(isOver, 'PRESENCE_AHEAD', `${fromMs} to ${toMs} is not between ${beginMs} and ${at}`);
  require(areInOrder(summary), 'PRESENCE_INTERVALS', 'the times of the summary are not in order');
  const former = identities.current(presenceUrl, node);
  const isLater = former === undefined || former.toMs <= fromMs;
  require(isLater, 'PRESENCE_OVERLAPS', `${fromMs} is before the end of the former summary`);
}

/** Begin, gaps and end follow each other; between two of them, and at both ends, the node was seen. */
function areInOrder({ fromMs, toMs, gaps }: PresenceSummary): boolean {
  const times = [fromMs, ...gaps.flatMap((gap) => [gap.fromMs, gap.toMs]), toMs];
  return times.every((time, index) => index === 0 || (times[index - 1] ?? time) < time);
}

function require(isMet: boolean, rule: PresenceRule, message: string): asserts isMet {
  if (isMet) return;
  throw refusal('BCDB_RULE_BROKEN', message, {
    hint: `grid explain ${rule}`,
    details: { rule },
  });
}
