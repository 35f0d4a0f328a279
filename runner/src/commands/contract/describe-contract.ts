import { inspectNodes, planClosely, readDirectory, rejectionsOf } from '@commongrid/contract';
import type { DraftFile, SignedAction } from '@commongrid/contract';
import { deciders, signaturesOf } from '@commongrid/model';
import type { Approval, BotId, Contract } from '@commongrid/model';

import type { CommandContext } from '../../command-context.ts';
import { readLogFacts } from '../../node/log-facts.ts';
import { counted, formatTable, plainText } from '../../terminal.ts';
import { formatTime } from '../bcdb/options.ts';
import { MoneyText } from '../market/money-text.ts';
import { botName } from './contract-view.ts';
import type { ContractView, KnownContract } from './contract-view.ts';
import { describePlan } from './describe-plan.ts';

/** Who has to agree to an action, and who did or said no. */
export interface DecisionLine {
  readonly action: Exclude<SignedAction, 'halt'>;
  readonly role: string;
  readonly min: number;
  /** Log time at which all lines of the action were met, ms since 1970. */
  readonly agreedMs: number | null;
  readonly signers: readonly {
    readonly bot: BotId;
    readonly name: string;
    readonly said: Said;
    /** When, while it waits for others. */
    readonly saidMs: number | null;
  }[];
}

type Said = 'approve' | 'reject' | null;

/** What whoever signs has to have seen before. */
export async function describeSubject(
  { fold, now, bot, client }: ContractView,
  contract: KnownContract,
  says: readonly Approval[],
): Promise<string> {
  const { id, header } = contract;
  const { owner, term, budget, replaces } = header;
  const money = await MoneyText.of(client, [budget.currency]);
  const actions = new Set<string>(says.map(({ action }) => action));
  const lines = decisionsOf({ fold, now }, contract).filter(({ action }) => actions.has(action));
  return [
    ...says.map(({ action, role, verdict }) => {
      return plainText(
        `${botName(fold, bot)} is to say: ${verdict} ${action} of ${header.name}, as ${role}`,
      );
    }),
    formatTable([
      ['  contract', id],
      ['  owner', botName(fold, owner)],
      ['  term', `${formatTime(term.fromMs)} to ${formatTime(term.untilMs)}`],
      ['  roles', header.roles.map(({ name }) => name).join(', ')],
      ['  budget', budgetText(budget, money)],
      ...(replaces === undefined ? [] : [['  replaces', replaces]]),
      ...lines.map((line) => [`  ${line.action}`, `${line.role}: ${describeLine(line)}`]),
    ]),
  ].join('\n');
}

/** What places of others may cost. */
export function budgetText(
  { currency, perMonth, total }: Contract['budget'],
  money: MoneyText,
): string {
  const [each, all] = [perMonth, total].map((one) => money.show(BigInt(one), currency));
  return BigInt(total) === 0n ? 'none: nothing is rented' : `${each} a month, ${all} in all`;
}

/** Who of a line said what, and when. */
export function describeLine({ min, agreedMs, signers }: DecisionLine): string {
  const need = agreedMs === null ? `${min} of ${signers.length}` : `agreed ${formatTime(agreedMs)}`;
  const names = signers.map(({ name, said, saidMs }) => {
    const when = saidMs === null ? '' : ` ${formatTime(saidMs)}`;
    return said === null ? name : `${name} (${marks[said]}${when})`;
  });
  return `${need}: ${names.join(', ')}`;
}

const marks = { approve: 'signed', reject: 'said no' } as const;

/** What a draft shows beyond its header: what each role is, where it would run, what that costs. */
export async function describeDraft(
  { client, log }: ContractView,
  { header, openings, shards }: DraftFile,
  { terminal: { style } }: CommandContext,
): Promise<string> {
  const { at } = await readLogFacts(client, log);
  const listed = await readDirectory(client, at);
  const roles = openings.map(({ role }) => role);
  const { plan, directory } = await planClosely(
    { header, directory: listed, roles, shards: new Map(Object.entries(shards)) },
    { inspect: (nodes) => inspectNodes(client, nodes, at) },
  );
  const money = await MoneyText.of(client, [header.budget.currency]);
  return [
    describeRoles(openings),
    describePlan({ header, plan, directory }, money, style),
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
  view: Pick<ContractView, 'fold' | 'now'>,
  { id, header }: KnownContract,
): readonly DecisionLine[] {
  const actions = (['provision', 'upgrade', 'remove'] as const).filter(
    (action) => action !== 'upgrade' || header.replaces !== undefined,
  );
  return actions.flatMap((action) => linesOf(view, { id, header }, action));
}

function linesOf(
  { fold, now }: Pick<ContractView, 'fold' | 'now'>,
  { id, header }: KnownContract,
  action: DecisionLine['action'],
): readonly DecisionLine[] {
  const open = signaturesOf(fold, id, action, now);
  const { votes = [], agreed } = fold.contract(id) ?? {};
  const rejected = rejectionsOf(fold, id, action, now.at);
  // What is agreed no longer asks whether a word still counts.
  const words = [...fold.objects('grid.approval.1')].filter((one) => {
    return one.contract === id && one.action === action && one.verdict === 'approve';
  });
  const lines =
    open === 'agreed' || open === undefined
      ? deciders(fold, header, action).lines.map((line) => {
          const signed = words.filter((one) => one.role === line.role);
          return { ...line, signed: signed.map(({ signer }) => signer) };
        })
      : open;
  return lines.map(({ role, signers, min, signed }) => ({
    ...{ action, role, min, agreedMs: agreed?.[action]?.at ?? null },
    signers: signers.map((bot) => {
      const isAgainst = rejected.some((one) => one.signer === bot);
      const said: Said = signed.includes(bot) ? 'approve' : isAgainst ? 'reject' : null;
      const vote = votes.find((one) => one.signer === bot && one.action === action);
      const saidMs = said === 'approve' ? (vote?.moment.at ?? null) : null;
      return { bot, name: botName(fold, bot), said, saidMs };
    }),
  }));
}
