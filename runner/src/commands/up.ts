import { shutdownSignal } from '@commongrid/base';
import type { Command } from 'commander';
import { Option } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import { fillHub } from '../fill-hub.ts';
import type { FilledHub } from '../fill-hub.ts';
import { GridHome } from '../home.ts';
import { startHomeBots } from '../home-bots/start-home-bots.ts';
import { startHomeNode } from '../node/home-node.ts';
import { bringUp, lookAt, prepareHome, runInForeground } from '../one-machine-grid.ts';
import { introduceOwner, ownerNameDefault } from '../owner-bot.ts';
import type { PortBase } from '../ports.ts';
import { layoutNames, layoutOf, usualLayout } from '../storage-layout.ts';
import type { LayoutName } from '../storage-layout.ts';
import type { GridState } from '../supervisor/grid-state.ts';
import { isLaunched } from '../supervisor/launch.ts';
import { tellManager } from '../system-unit/tell-manager.ts';
import type { ServiceNews } from '../system-unit/tell-manager.ts';
import { withProgress } from '../terminal.ts';
import { wordCard } from '../word-card.ts';
import { parseSize } from './node/node-arguments.ts';
import { offerPackages } from './offer-packages.ts';
import { parseUpPortBase } from './port-base-option.ts';
import { StartingServices } from './starting-services.ts';
import { describe, reportOf, summaryOf } from './up-report.ts';
import type { UpBots, UpHub, UpNode, UpReport } from './up-report.ts';

type UpOptions = JsonOption & {
  readonly yes?: true;
  readonly foreground?: true;
  readonly portBase?: PortBase;
  readonly shards?: LayoutName;
  readonly name: string;
  readonly node?: boolean;
  readonly bots?: boolean;
  readonly volumeSize?: number;
};

export function upCommand(context: CommandContext): Command {
  return resultCommand('up', 'Start the one-machine grid and return once all of it is ready.')
    .option(
      '--port-base <port>',
      'use the ports from here on; 0: any free ones; usual: 9900 and the like; default: as at the last start',
      parseUpPortBase,
    )
    .addOption(
      new Option(
        '--shards <k+m>',
        `data and parity shards of what S3 keeps, or none for no S3; chosen at the first start, default ${usualLayout}`,
      ).choices(layoutNames),
    )
    .option(
      '--node',
      'run workloads on this machine, as it is unless you said otherwise; needs root',
    )
    .option('--no-node', 'run none, from now on')
    .option(
      '--volume-size <size>',
      'disk for volumes of workloads, at the first start; default: a quarter of what is free, at most 32GiB',
      parseSize,
    )
    .option('--bots', 'run the bots of a farmer and a buyer, as it is unless you said otherwise')
    .option('--no-bots', 'run none, from now on')
    .option('--yes', 'install by apt what the node lacks, without asking; needs root')
    .option('--foreground', 'stay until SIGTERM, for service managers')
    .option('--name <name>', 'your name in the grid, at the first start', ownerNameDefault)
    .addHelpText(
      'after',
      '\nThe grid lives in GRID_HOME: /var/lib/grid as root, ~/.local/share/grid otherwise.',
    )
    .action(async (options: UpOptions) => {
      await up(context, options);
    });
}

async function up(context: CommandContext, options: UpOptions): Promise<void> {
  const { home, logLevel } = context.environment;
  if (!isLaunched()) await offerPackages(context, options);
  const { key, newWords } = await prepareHome(home, options.shards);
  if (newWords !== undefined) showWords(context, new GridHome(home), newWords);
  const print = async (state: GridState): Promise<UpReport> => {
    const bot = await introduce(state, options.name);
    const identity = { key, bot: bot ?? null, isNew: newWords !== undefined };
    const layout = await layoutOf(new GridHome(home));
    const parts = Promise.all([
      filledHub(state),
      startedNode(state, options),
      startedBots(context, state, options),
    ]);
    const [hub, node, bots] = await withProgress(
      context.terminal,
      'starting node and bots, filling the hub',
      parts,
    );
    const now = (await lookAt(home)).state ?? state;
    const report = reportOf(now, identity, { layout, hub, node, bots });
    printResult(context, options, report, () => describe(context, report));
    return report;
  };
  if (options.foreground === true) {
    const { portBase } = options;
    await runInForeground(home, portBase, logLevel, shutdownSignal(), async (state) => {
      const status = summaryOf(await print(state));
      await tell(context, { isReady: true, status });
    });
    await tell(context, { isReady: false, status: 'the grid is down' });
    return;
  }
  await using starting = StartingServices.watch(new GridHome(home));
  const work = bringUp(home, options.portBase);
  await print(await withProgress(context.terminal, () => starting.text, work));
}

async function tell({ environment, terminal }: CommandContext, news: ServiceNews): Promise<void> {
  const { notifySocket } = environment;
  if (notifySocket === undefined) return;
  const failure = await tellManager(notifySocket, news);
  if (failure !== undefined) terminal.note(`the service manager was not told: ${failure}`);
}

function introduce(state: GridState, name: string): Promise<string | undefined> {
  const address = state.services['bcdb']?.addresses['bcdb-http'];
  if (address === undefined) return Promise.resolve(undefined);
  return introduceOwner(new GridHome(state.home), `http://${address}`, name);
}

async function filledHub(state: GridState): Promise<UpHub | null> {
  const hub = state.services['hub'];
  if (hub === undefined) return null;
  const url = `http://${hub.address}`;
  const { image, lack }: FilledHub = await fillHub(new GridHome(state.home), url);
  return { url, image: image ?? null, lack: lack ?? null };
}

async function startedNode(state: GridState, options: UpOptions): Promise<UpNode> {
  const { node: isWanted, volumeSize: volumeBytes } = options;
  const home = new GridHome(state.home);
  const { node, lack } = await startHomeNode(home, state, { isWanted, volumeBytes });
  return { id: node?.id ?? null, name: node?.name ?? null, lack: lack ?? null };
}

async function startedBots(
  context: CommandContext,
  state: GridState,
  options: UpOptions,
): Promise<UpBots> {
  const { bots, lack } = await startHomeBots(context, state, options.bots);
  for (const { name, newWordsFile } of bots) {
    if (newWordsFile === undefined) continue;
    context.terminal.note(`the words of ${name} are in ${newWordsFile}, for you alone to read`);
  }
  return { ids: Object.fromEntries(bots.map(({ name, id }) => [name, id])), lack: lack ?? null };
}

/**
 * The only time that the words are shown. Nobody but a person at a terminal sees them: logs of
 * service managers and files of output are read by others.
 */
function showWords({ terminal }: CommandContext, home: GridHome, words: string): void {
  const { note, style } = terminal;
  if (!terminal.isWatched) {
    note(`a new identity was made; its 24 words are in ${home.wordsFile}, for you alone to read`);
    return;
  }
  note(wordCard(words.split(' '), style.strong));
  note('These words are you: whoever has them owns this grid, and without them nobody can prove');
  note('to be you once this machine is lost. Write them down now; they are not shown again.');
  note(`They are also in ${home.wordsFile}.`);
  note('Keep that file elsewhere and delete it here: the grid runs without it.');
  note('');
}
