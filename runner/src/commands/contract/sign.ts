import { GridError, isGridError } from '@commongrid/base';
import { makeApproval, rolesIn } from '@commongrid/contract';
import type { DraftFile, SignedAction } from '@commongrid/contract';
import { signaturesOf } from '@commongrid/model';
import type { Approval } from '@commongrid/model';
import { Option } from 'commander';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { requireYes } from '../../confirm.ts';
import type { GridErrorCode } from '../../errors.ts';
import { plainText } from '../../terminal.ts';
import { serverCommand } from '../bcdb/connection.ts';
import { formatTime, parseCount } from '../bcdb/options.ts';
import { botName, contractIn, statusIn, withContractView } from './contract-view.ts';
import type { ContractView, KnownContract } from './contract-view.ts';
import { describeDraft, describeSubject } from './describe-contract.ts';
import { readBuilt } from './read-contract.ts';
import type { ContractOptions } from './read-contract.ts';

type SignOptions = ContractOptions & {
  readonly role?: string;
  readonly action?: SignedAction;
  readonly days?: number;
  readonly yes?: true;
};

/** What a command says, and of what, unless the options do. */
interface Saying {
  readonly name: string;
  readonly description: string;
  readonly verdict: Approval['verdict'];
  readonly action?: SignedAction;
}

const dayMs = 86_400_000;
/** An approval counts for so long when the others take their time. */
const daysDefault = 7;

export function contractSignCommand(context: CommandContext): Command {
  const description = 'Agree to a contract, or to what is to become of it.';
  return sayingCommand(context, { name: 'sign', description, verdict: 'approve' });
}

export function contractRejectCommand(context: CommandContext): Command {
  const description = 'Say no to a contract; signing it later takes that back.';
  return sayingCommand(context, { name: 'reject', description, verdict: 'reject' });
}

export function contractHaltCommand(context: CommandContext): Command {
  const description = 'Freeze a contract: nothing new is placed or paid for, what runs goes on.';
  return sayingCommand(context, { name: 'halt', description, verdict: 'approve', action: 'halt' });
}

export function contractResumeCommand(context: CommandContext): Command {
  const description = 'Take your own halt of a contract back.';
  return sayingCommand(context, { name: 'resume', description, verdict: 'reject', action: 'halt' });
}

export function contractRemoveCommand(context: CommandContext): Command {
  const description = 'Agree that a contract ends, with its data; once enough do, it is for good.';
  return sayingCommand(context, {
    ...{ name: 'remove', description, verdict: 'approve', action: 'remove' },
  });
}

function sayingCommand(context: CommandContext, saying: Saying): Command {
  const command = serverCommand(saying.name, saying.description)
    .argument('<contract>', 'its name or id; or its file, to see what it would cost and where')
    .option('--role <name>', 'of the policy, or owner; needed where you have several')
    .option('--days <n>', `how long your word counts; default: ${daysDefault}`, parseCount)
    .option('--yes', 'say it without asking');
  if (saying.action === undefined) {
    const actions: SignedAction[] = ['provision', 'upgrade', 'remove', 'halt'];
    command.addOption(
      new Option('--action <name>', 'default: what it needs to begin').choices(actions),
    );
  }
  return command.action(async (text: string, options: SignOptions) => {
    const draft = text.endsWith('.json') ? await readBuilt(text) : undefined;
    await withContractView(context, options, async (view) => {
      const contract = draft === undefined ? contractIn(view, text) : builtIn(view, draft, text);
      const says = approvalsOf(view, contract, { ...saying, ...options });
      context.terminal.note(await describeSubject(view, contract, says));
      if (draft !== undefined) context.terminal.note(await describeDraft(view, draft, context));
      await requireYes(context, options, {
        ...{ message: 'Sign this?', refused: 'nothing was signed' },
        command: `./grid contract ${saying.name} ${text} --yes`,
      });
      await writeApprovals(view, says);
      const after = await view.again();
      const status = statusIn(after, contract.id);
      // What a removal waits for is no matter of what the contract needs to begin.
      const end = says.some(({ action }) => action === 'remove')
        ? signaturesOf(after.fold, contract.id, 'remove', after.now)
        : undefined;
      const open = end === 'agreed' ? [] : (end ?? status.signatures);
      const result = {
        ...{ schema: 'grid.contract.sign.1', contract: contract.id, name: contract.header.name },
        ...{ signer: view.bot, said: says, phase: status.phase, isHalted: status.isHalted },
        isRejected: status.isRejected,
        missing: open.filter(({ min, signed }) => signed.length < min),
      };
      printResult(context, options, result, () =>
        [
          ...says.map(({ action, role, expMs, verdict }) => {
            return `${verdict} ${action} as ${role}, until ${formatTime(expMs)}`;
          }),
          `${plainText(result.name)} is ${result.phase}${result.isHalted ? ', halted' : ''}`,
          ...(result.isRejected ? ['it is rejected: those who are left are too few'] : []),
          ...result.missing.map(({ role, min, signed }) => {
            return `waits for ${min - signed.length} more as ${role}`;
          }),
        ].join('\n'),
      );
    });
  });
}

/** Says it, for everybody to see. */
export async function writeApprovals(
  { client }: Pick<ContractView, 'client'>,
  says: readonly Approval[],
): Promise<void> {
  for (const value of says) {
    const obj = `${value.signer}/${value.hash}`;
    const statement = { ns: 'grid', op: 'put', url: 'grid.approval.1', obj } as const;
    await client.write({ ...statement, value: { ...value } });
  }
}

/** The contract of a built file. @throws GRID_CONTRACT_UNKNOWN */
function builtIn(
  view: ContractView,
  { id, header: { name } }: DraftFile,
  file: string,
): KnownContract {
  try {
    return contractIn(view, id);
  } catch (error) {
    if (!isGridError(error, 'GRID_CONTRACT_UNKNOWN')) throw error;
    const message = `${name} is not proposed yet, or does not name ${botName(view.fold, view.bot)}`;
    throw new GridError<GridErrorCode>('GRID_CONTRACT_UNKNOWN', message, {
      hint: `sign as one whom it names, or first: ./grid contract propose ${file}`,
      details: { contract: id, bot: view.bot },
      cause: error,
    });
  }
}

/** What the bot says. Without an action: all that the contract needs to begin, and it has a say in. */
export function approvalsOf(
  { fold, bot, now }: ContractView,
  { id, header }: KnownContract,
  { action, verdict, role, days }: Pick<Saying, 'verdict'> & Partial<SignOptions>,
): readonly Approval[] {
  const state = fold.contract(id);
  const needed =
    header.replaces === undefined ? (['provision'] as const) : (['provision', 'upgrade'] as const);
  const open = needed.filter((one) => {
    const isTheirs = rolesIn(fold, header, one, bot).length > 0;
    const isSaid = state?.votes.some((vote) => {
      return vote.signer === bot && vote.action === one && now.at < vote.expMs;
    });
    const isNews = verdict === 'reject' || isSaid !== true;
    return isTheirs && isNews && state?.agreed[one] === undefined;
  });
  const actions: readonly SignedAction[] = action === undefined ? open : [action];
  const said = actions.length === 0 ? needed.slice(0, 1) : actions;
  return said.map((one) => {
    // A halt holds until it is taken back, unless somebody says how long.
    const isLasting = one === 'halt' && days === undefined && now.at < header.term.untilMs;
    const expMs = isLasting ? header.term.untilMs : now.at + (days ?? daysDefault) * dayMs;
    const request = { contract: id, signer: bot, action: one, role, verdict, expMs };
    return makeApproval(fold, request, now);
  });
}
