import { isOpenVote } from '@commongrid/model';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable, plainText } from '../../terminal.ts';
import type { Style } from '../../terminal.ts';
import { serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { formatTime } from '../bcdb/options.ts';
import { botName, contractIn, contractsIn, statusIn, withContractView } from './contract-view.ts';
import type { ContractView, KnownContract } from './contract-view.ts';
import { MoneyText } from '../market/money-text.ts';
import { budgetText, decisionsOf, describeLine, describeRoles } from './describe-contract.ts';
import type { DecisionLine } from './describe-contract.ts';
import {
  describeProposals,
  describeReplacing,
  openProposalsOf,
  replacingOf,
} from './describe-proposal.ts';
import { describeRent, placesOf } from './describe-rent.ts';
import { readBuilt } from './read-contract.ts';

export function contractListCommand(context: CommandContext): Command {
  return serverCommand('list', 'List the contracts that you own, sign or control.').action(
    async (options: ServerOptions) => {
      const contracts = await withContractView(context, options, async ({ fold, now }) =>
        contractsIn(fold).map(({ id, header }) => {
          const { name, owner, replaces } = header;
          const { phase, isHalted, isRejected } = statusIn({ fold, now }, id);
          const bot = botName(fold, owner);
          const former = replacingOf({ fold, now }, { id, header });
          return {
            ...{ contract: id, name, owner, ownerName: bot, phase, isHalted, isRejected },
            ...{ replaces: replaces ?? null, replacesName: former?.name ?? null },
            isWithdrawn: former?.isWithdrawn === true,
          };
        }),
      );
      const result = { schema: 'grid.contract.list.1', contracts };
      printResult(context, options, result, () => {
        const rows = contracts.map((one) => {
          const against = one.isWithdrawn ? ', withdrawn' : one.isRejected ? ', rejected' : '';
          const mark = one.isHalted ? ', halted' : against;
          const former = one.replacesName === null ? '' : `replaces ${one.replacesName}`;
          return [one.name, `${one.phase}${mark}`, one.ownerName, one.contract, former];
        });
        return formatTable(rows) || 'there are none';
      });
    },
  );
}

export function contractShowCommand(context: CommandContext): Command {
  return serverCommand(
    'show',
    'Show what a contract says, who agreed to it, and how long its places are paid.',
  )
    .argument('<contract>', 'its name or id; or its file, to see its roles as well')
    .action(async (text: string, options: ServerOptions) => {
      const draft = text.endsWith('.json') ? await readBuilt(text) : undefined;
      const { shown, money } = await withContractView(context, options, async (view) => {
        const one = await shownOf(view, contractIn(view, draft?.id ?? text));
        const currencies = [one.budget, ...one.places].map(({ currency }) => currency);
        return { shown: one, money: await MoneyText.of(view.client, currencies) };
      });
      const roles = draft === undefined ? {} : { roles: draft.openings.map(({ role }) => role) };
      const result = { schema: 'grid.contract.show.1', ...shown, ...roles };
      printResult(context, options, result, () => {
        const what = draft === undefined ? [] : ['', describeRoles(draft.openings)];
        return [describe(shown, money, context.terminal.style), ...what].join('\n');
      });
    });
}

export type ShownContract = Awaited<ReturnType<typeof shownOf>>;

/** What a contract says, who agreed to it, and how long its places are paid. */
export async function shownOf({ fold, now, client }: ContractView, contract: KnownContract) {
  const { id, header } = contract;
  const votes = fold.contract(id)?.votes ?? [];
  const halts = votes.filter((vote) => vote.action === 'halt' && isOpenVote(fold, vote, now));
  const { phase, isHalted, isRejected } = statusIn({ fold, now }, id);
  return {
    ...{ contract: id, name: header.name, phase, isHalted, isRejected },
    owner: header.owner,
    ownerName: botName(fold, header.owner),
    ...{ controllers: header.controllers, term: header.term, budget: header.budget },
    ...{ heal: header.heal, replaces: header.replaces ?? null },
    /** How it differs from the one that it replaces. */
    replacing: replacingOf({ fold, now }, contract) ?? null,
    /** What would allow more, and waits for signers. */
    proposals: openProposalsOf({ fold, now }, id),
    haltedBy: halts.map(({ signer, expMs }) => ({
      ...{ bot: signer, name: botName(fold, signer), expMs },
    })),
    decisions: decisionsOf({ fold, now }, contract),
    /** On farms of others. */
    places: await placesOf({ fold, now, client }, id),
  };
}

function describe(shown: ShownContract, money: MoneyText, style: Style): string {
  const { name, phase, isRejected } = shown;
  return [
    style.strong(`${plainText(name)} is ${phase}${isRejected ? ', rejected' : ''}`),
    describeShown(shown, money, style),
  ].join('\n');
}

/** The same without how far it is. */
export function describeShown(shown: ShownContract, money: MoneyText, style: Style): string {
  const { contract, ownerName, term, budget, haltedBy, decisions, replaces } = shown;
  const { places, replacing, proposals } = shown;
  const groups = Map.groupBy(decisions, ({ action }) => action);
  return [
    formatTable([
      ['  contract', contract],
      ['  owner', ownerName],
      ['  term', `${formatTime(term.fromMs)} to ${formatTime(term.untilMs)}`],
      ['  budget', budgetText(budget, money)],
      ...(replaces === null ? [] : [['  replaces', replaces]]),
      ...haltedBy.map((one) => ['  halted', `by ${one.name} until ${formatTime(one.expMs)}`]),
    ]),
    ...(replacing === null ? [] : ['', style.strong('changes'), describeReplacing(replacing)]),
    ...(proposals.length === 0
      ? []
      : ['', style.strong('proposals'), describeProposals(proposals)]),
    ...[...groups].flatMap(([action, lines]) => ['', style.strong(action), describeLines(lines)]),
    ...(places.length === 0 ? [] : ['', style.strong('rent'), describeRent(places, money)]),
  ].join('\n');
}

function describeLines(lines: readonly DecisionLine[]): string {
  return formatTable(lines.map((line) => [`  ${line.role}`, describeLine(line)]));
}
