import { planContract, readDirectory, rejectionsOf } from '@commongrid/contract';
import type { DraftFile, SignedAction } from '@commongrid/contract';
import { deciders, signaturesOf } from '@commongrid/model';
import type { Approval, BotId, Contract, GridFold } from '@commongrid/model';

import type { CommandContext } from '../../command-context.ts';
import { readLogFacts } from '../../node/log-facts.ts';
import { counted, formatTable } from '../../terminal.ts';
import { formatTime } from '../bcdb/options.ts';
import { botName } from './contract-view.ts';
import type { ContractView, KnownContract } from './contract-view.ts';
import { describePlan } from './describe-plan.ts';

/** Who has to agree to an action, and who did or said no. */
export interface DecisionLine {
  readonly action: Exclude<SignedAction, 'halt'>;
  readonly role: string;
  readonly min: number;
  readonly isAgreed: boolean;
  readonly signers: readonly { readonly bot: BotId; readonly name: string; readonly said: Said }[];
}

type Said = 'approve' | 'reject' | null;

/** What whoever signs has to have seen before. */
export function describeSubject(
  { fold, bot }: ContractView,
  { id, header }: KnownContract,
  says: readonly Approval[],
): string {
  const { owner, term, budget, replaces } = header;
  return [
    ...says.map(({ action, role, verdict }) => {
      return `${botName(fold, bot)} is to say: ${verdict} ${action} of ${header.name}, as ${role}`;
    }),
    formatTable([
      ['  contract', id],
      ['  owner', botName(fold, owner)],
      ['  term', `${formatTime(term.fromMs)} to ${formatTime(term.untilMs)}`],
      ['  roles', header.roles.map(({ name }) => name).join(', ')],
      ['  budget', `${budget.perMonth} a month, ${budget.total} in all, ${budget.currency}`],
      ...(replaces === undefined ? [] : [['  replaces', replaces]]),
    ]),
  ].join('\n');
}

/** What a draft shows beyond its header: what each role is, where it would run, what that costs. */
export async function describeDraft(
  { client, log }: ContractView,
  { header, openings, shards }: DraftFile,
  { terminal: { style } }: CommandContext,
): Promise<string> {
  const { at } = await readLogFacts(client, log);
  const directory = await readDirectory(client, at);
  const roles = openings.map(({ role }) => role);
  const plan = planContract({
    ...{ header, directory, roles, shards: new Map(Object.entries(shards)) },
    wishes: {},
  });
  return [
    describeRoles(openings),
    describePlan({ header, plan, directory }, style),
    'where it runs in the end is for its controller, within what the contract allows',
  ].join('\n');
}

export function describeRoles(openings: DraftFile['openings']): string {
  return formatTable(
    openings.map(({ role: { name, replicas, workload, resources } }) => [
      `  ${name}`,
      `${counted(replicas, 'replica')} of a ${workload.kind}`,
      `${resources.cpuMilli / 1000} cores, ${Math.round(resources.memoryBytes / 2 ** 20)} MiB of memory`,
    ]),
  );
}

/** All lines of all actions; the owner is a line of his own where his word is needed. */
export function decisionsOf(
  { fold, now }: Pick<ContractView, 'fold' | 'now'>,
  { id, header }: KnownContract,
): readonly DecisionLine[] {
  const actions = (['provision', 'upgrade', 'remove'] as const).filter(
    (action) => action !== 'upgrade' || header.replaces !== undefined,
  );
  return actions.flatMap((action) => {
    const open = signaturesOf(fold, id, action, now);
    const rejected = rejectionsOf(fold, id, action, now.at);
    const lines = open === 'agreed' || open === undefined ? linesOf(fold, header, action) : open;
    return lines.map(({ role, signers, min, signed }) => ({
      ...{ action, role, min, isAgreed: open === 'agreed' },
      signers: signers.map((bot) => {
        const isAgainst = rejected.some((one) => one.signer === bot);
        const said: Said = signed.includes(bot) ? 'approve' : isAgainst ? 'reject' : null;
        return { bot, name: botName(fold, bot), said };
      }),
    }));
  });
}

function linesOf(fold: GridFold, header: Contract, action: DecisionLine['action']) {
  const { lines } = deciders(fold, header, action);
  return lines.map((line) => ({ ...line, signed: [] as readonly BotId[] }));
}
