import { GridError, systemRandom } from '@commongrid/base';
import { formerContract } from '@commongrid/contract';
import type { ContractPaper } from '@commongrid/contract';
import type { Command } from 'commander';

import { handOver } from '../bot-service/bots-here.ts';
import { givenOf, KeptContracts } from '../bot-service/kept-contracts.ts';
import { printResult } from '../command-context.ts';
import type { CommandContext } from '../command-context.ts';
import { requireYes } from '../confirm.ts';
import type { GridErrorCode } from '../errors.ts';
import { plainText } from '../terminal.ts';
import { serverCommand } from './bcdb/connection.ts';
import type { ServerOptions } from './bcdb/connection.ts';
import type { BotFolder } from './bot/bot-folder.ts';
import { contractIn, statusIn, withContractView } from './contract/contract-view.ts';
import type { ContractView, KnownContract } from './contract/contract-view.ts';
import { controllerHere } from './contract/controller-here.ts';
import { approvalsOf, writeApprovals } from './contract/sign.ts';

type RollbackOptions = ServerOptions & { readonly yes?: true };

export function rollbackCommand(context: CommandContext): Command {
  return serverCommand('rollback', 'Let the version of a contract before take its place again.')
    .argument('<contract>', 'its name or id')
    .option('--yes', 'do it without asking')
    .action(async (name: string, options: RollbackOptions) => {
      await withContractView(context, options, async (view) => {
        const current = contractIn(view, name);
        const keeper = await keeperOf(context, current);
        const former = await versionBefore(keeper, current);
        const next = formerContract(former, current, (count) => systemRandom.bytes(count));
        context.terminal.note(describeStep(current, former));
        await requireYes(context, options, {
          ...{ message: 'Propose and sign this?', refused: 'nothing was proposed' },
          command: `./grid rollback ${name} --yes`,
        });
        await handOver(keeper, givenOf(next));
        const { id, header } = next.draft;
        const statement = { ns: 'grid', op: 'put', url: 'grid.contract.1', obj: id } as const;
        await view.client.write({ ...statement, value: { ...header } });
        await agree(context, options, view, { id, header });
      });
    });
}

/** Says what the bot of the command has a say in, and who else has to. */
async function agree(
  context: CommandContext,
  options: RollbackOptions,
  view: ContractView,
  contract: KnownContract,
): Promise<void> {
  const proposed = { ...view, ...(await view.again()) };
  await writeApprovals(view, approvalsOf(proposed, contract, { verdict: 'approve' }));
  const { phase, signatures } = statusIn(await view.again(), contract.id);
  const missing = signatures.filter(({ min, signed }) => signed.length < min);
  const { id, header } = contract;
  const result = {
    ...{ schema: 'grid.rollback.1', contract: id, replaces: header.replaces, phase, missing },
  };
  printResult(context, options, result, () =>
    [
      `${plainText(header.name)} as before is ${phase}: ${id}`,
      ...missing.map(({ role, min, signed }) => `waits for ${min - signed.length} more as ${role}`),
      missing.length === 0
        ? `next: ./grid ls ${id}`
        : `next, by each of them: ./grid contract sign ${id}`,
    ].join('\n'),
  );
}

/** @throws GRID_VERSION_MISSING where no bot of this machine keeps the contract */
async function keeperOf(context: CommandContext, { header }: KnownContract): Promise<BotFolder> {
  const keeper = await controllerHere(context, header);
  if (keeper !== undefined) return keeper;
  throw noVersion(
    header.name,
    'no bot of this machine controls it, and so none has kept a version',
  );
}

/** @throws GRID_VERSION_MISSING */
async function versionBefore(
  keeper: BotFolder,
  { header: { name, replaces } }: KnownContract,
): Promise<ContractPaper> {
  if (replaces === undefined) throw noVersion(name, 'what runs is its first version');
  const paper = (await KeptContracts.open(keeper.contracts)).of(replaces);
  if (paper === undefined) throw noVersion(name, `its bot has no papers of ${replaces}`);
  return paper;
}

function describeStep({ header }: KnownContract, { draft }: ContractPaper): string {
  const local = draft.openings.filter(({ role }) => role.data === 'local');
  const names = local.map(({ role }) => role.name).join(', ');
  return [
    `${plainText(header.name)} is to be what it was before: ${draft.id}`,
    'its replicas start one after the other beside those of now, which end when these are healthy',
    ...(local.length === 0
      ? []
      : [`data of ${plainText(names)} are not taken along: those roles begin empty`]),
  ].join('\n');
}

function noVersion(name: string, why: string): GridError<GridErrorCode> {
  const message = `there is no version of ${plainText(name)} to go back to: ${why}`;
  return new GridError('GRID_VERSION_MISSING', message, {
    hint: 'build what is to run, with replaces in it: grid contract build FILE --output FILE.json',
  });
}
