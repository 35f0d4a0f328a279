import { GridError } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import type { GridErrorCode } from '../errors.ts';
import { GridHome } from '../home.ts';
import { takeDown, wipe } from '../one-machine-grid.ts';
import { nameRanges } from '../service-ranges.ts';
import { withProgress } from '../terminal.ts';

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
  { environment, terminal }: CommandContext,
  services: readonly string[],
  options: DownOptions,
): Promise<void> {
  if (services.length > 0) throw usage('--wipe removes everything: name no service with it');
  if (options.yes === true) return;
  if (!process.stdin.isTTY || !terminal.isWatched || options.json === true) {
    throw usage('--wipe removes all data: say --yes as well, nobody can be asked here');
  }
  const { confirm } = await import('@clack/prompts');
  const message = `Remove all data, keys and secrets in ${environment.home}?`;
  const answer = await confirm({ message, initialValue: false, output: process.stderr });
  if (answer !== true) throw usage('nothing was removed, nothing was stopped');
}

function usage(message: string): GridError<GridErrorCode> {
  return new GridError('GRID_USAGE', message, { hint: './grid down --wipe --yes' });
}
