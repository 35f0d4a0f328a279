import { GridError } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import { requireYes } from '../confirm.ts';
import type { GridErrorCode } from '../errors.ts';
import { GridHome } from '../home.ts';
import { takeDown, wipe } from '../one-machine-grid.ts';
import { nameRanges } from '../service-ranges.ts';
import { withProgress } from '../terminal.ts';

/** Does it without asking. */
const wipeCommand = './grid down --wipe --yes';

type DownOptions = JsonOption & { readonly wipe?: true; readonly yes?: true };

export function downCommand(context: CommandContext): Command {
  return resultCommand('down', 'Stop the whole grid, or only the services that are named.')
    .argument('[service...]', 'names as `grid status` shows them')
    .option('--wipe', 'then remove all data, keys and secrets of the grid')
    .option('--yes', 'wipe without asking')
    .action(async (services: string[], options: DownOptions) => {
      await down(context, services, options);
    });
}

async function down(
  context: CommandContext,
  services: readonly string[],
  options: DownOptions,
): Promise<void> {
  const { environment, terminal } = context;
  const { home } = environment;
  const isWipe = options.wipe === true;
  if (isWipe) await confirmWipe(context, services, options);
  if (isWipe) await new GridHome(home).requireUnmounted();
  const stopped = await withProgress(terminal, 'stopping', takeDown(home, services));
  if (isWipe) await wipe(home);
  const result = { schema: 'grid.down.1', home, stopped, wiped: isWipe };
  printResult(context, options, result, () => {
    const what = stopped.length === 0 ? 'nothing was running' : `stopped: ${nameRanges(stopped)}`;
    return isWipe ? `${what}; ${home} is wiped` : `${what}; the data stays in ${home}`;
  });
}

/** @throws GRID_USAGE unless a person, or `--yes`, agrees. */
async function confirmWipe(
  context: CommandContext,
  services: readonly string[],
  options: DownOptions,
): Promise<void> {
  if (services.length > 0) throw usage('--wipe removes everything: name no service with it');
  await requireYes(context, options, {
    message: `Remove all data, keys and secrets in ${context.environment.home}?`,
    refused: 'nothing was removed, nothing was stopped',
    command: wipeCommand,
  });
}

function usage(message: string): GridError<GridErrorCode> {
  return new GridError('GRID_USAGE', message, { hint: wipeCommand });
}
