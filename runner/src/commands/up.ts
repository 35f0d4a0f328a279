import { shutdownSignal } from '@commongrid/base';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import { GridHome } from '../home.ts';
import { bringUp, runInForeground } from '../one-machine-grid.ts';
import { maxOffset } from '../ports.ts';
import type { GridState } from '../supervisor/grid-state.ts';
import { withProgress } from '../terminal.ts';

type UpOptions = JsonOption & { readonly foreground?: true; readonly portBase?: number };

interface UpReport {
  readonly schema: 'grid.up.1';
  readonly home: string;
  readonly services: Readonly<Record<string, UpService>>;
}

interface UpService {
  readonly address: string;
  readonly pid: number | null;
  readonly dataDir: string;
}

export function upCommand(context: CommandContext): Command {
  return resultCommand('up', 'Start the one-machine grid and return once all of it is ready.')
    .option('--port-base <port>', 'use the ports from here on; 0: any free ones', parsePortBase)
    .option('--foreground', 'stay until SIGTERM, for service managers')
    .addHelpText(
      'after',
      '\nThe grid lives in GRID_HOME: /var/lib/grid as root, ~/.local/share/grid otherwise.',
    )
    .action(async (options: UpOptions) => {
      const { home, logLevel } = context.environment;
      const print = (state: GridState): void =>
        printResult(context, options, reportOf(state), (report) => describe(context, report));
      if (options.foreground === true) {
        await runInForeground(home, options.portBase, logLevel, shutdownSignal(), print);
      } else {
        const work = bringUp(home, options.portBase);
        print(await withProgress(context.terminal, 'starting the grid', work));
      }
    });
}

function reportOf(state: GridState): UpReport {
  const services = Object.entries(state.services).map(([name, { address, process, dataDir }]) => [
    name,
    { address, pid: process?.pid ?? null, dataDir },
  ]);
  return { schema: 'grid.up.1', home: state.home, services: Object.fromEntries(services) };
}

function describe({ terminal }: CommandContext, { home, services }: UpReport): string {
  const { style } = terminal;
  const lines = Object.entries(services).map(
    ([name, { address, pid }]) => `  ${style.strong(name)}  ${address}  (process ${pid})`,
  );
  const port = services['zdb']?.address.split(':').at(-1);
  const passwordFile = new GridHome(home).zdbPasswordFile;
  return [
    style.good('the grid is up'),
    ...lines,
    `  data and secrets: ${home}`,
    '',
    'Talk to Zero-DB with any Redis client:',
    `  export REDISCLI_AUTH=$(cat ${passwordFile})`,
    `  redis-cli -p ${port} SET hello world`,
    '',
    'Next:',
    '  ./grid status     what runs, and where',
    '  ./grid zdb info   how Zero-DB is doing',
    '  ./grid down       stop; the data stays',
  ].join('\n');
}

function parsePortBase(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port + maxOffset <= 65_535) return port;
  throw new InvalidArgumentError(`give a port from 0 to ${65_535 - maxOffset}`);
}
