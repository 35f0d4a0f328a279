import { recordTypes } from '../record-types.ts';
import type { RecordUrl } from '../record-types.ts';
import { judgeBot } from './bot-rules.ts';
import { judgeFarm } from './farm-rules.ts';
import { refuse } from './identity-view.ts';
import type { IdentityView, JudgedRecord, Verdict } from './identity-view.ts';
import { judgeAdoption, judgeNode, judgeSession } from './node-rules.ts';
import { judgeRecovery } from './recovery-rules.ts';

/** Types of the records that these rules judge. */
export type IdentityUrl = keyof typeof rules;

/** Whether a record of this type is judged here. */
export function isIdentityUrl(url: string): url is IdentityUrl {
  return Object.hasOwn(rules, url);
}

/**
 * Judges a record about a bot, farm or node: refused with a code, or the new state of that bot, farm
 * or node. Pure: no clock but log time, no chance, no input or output.
 *
 * The fold keeps the state under its id, and once for all the keys and names that it holds. Deletions
 * are refused: what was once said about identity has to stay, for signatures are judged by it.
 */
export function judgeIdentity(view: IdentityView, record: JudgedRecord<IdentityUrl>): Verdict {
  if (record.op !== 'put') return refuse('IDENTITY_PERMANENT');
  if (recordTypes.get(record.url)?.objectOf(record.value) !== record.obj) {
    return refuse('IDENTITY_OBJECT_MISMATCH');
  }
  return (rules[record.url] as Rule)(view, record);
}

type Rule = (view: IdentityView, record: JudgedRecord) => Verdict;

const rules = {
  'grid.adoption.1': judgeAdoption,
  'grid.bot.1': judgeBot,
  'grid.farm.1': judgeFarm,
  'grid.node.1': judgeNode,
  'grid.recovery.1': judgeRecovery,
  'grid.session.1': judgeSession,
} as const satisfies { readonly [Url in RecordUrl]?: unknown };
