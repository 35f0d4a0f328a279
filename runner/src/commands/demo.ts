import { shutdownSignal, systemRandom } from '@commongrid/base';
import type { Shards, TownSize } from '@commongrid/system/demo';
import { Command, InvalidArgumentError, Option } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import { DemoView } from '../demo-view/demo-view.ts';
import { describeComparison } from '../demo-view/describe-demo.ts';
import { parseCount } from './bcdb/options.ts';
import { requireRoot } from './flist/mounts.ts';
import { parseSize } from './node/node-arguments.ts';
import { parseShards } from './zstor/store.ts';

type ArchiveOptions = JsonOption & {
  readonly nodes: string;
  readonly shards?: ReturnType<typeof parseShards>;
  readonly data?: number;
  readonly seed?: number;
  readonly folder?: string;
  readonly slack?: number;
};

/** Shards that a town of so many machines has, unless somebody says otherwise. */
const usualShards: Readonly<Record<TownSize, Shards>> = {
  24: { data: 16, parity: 4 },
  8: { data: 4, parity: 2 },
};

/** What is loaded, unless somebody says otherwise. */
const usualDataBytes: Readonly<Record<TownSize, number>> = { 24: 2 * 2 ** 30, 8: 200_000_000 };

export function demoCommand(context: CommandContext): Command {
  return new Command('demo')
    .description('Show a whole grid at work on this machine.')
    .addCommand(archiveCommand(context));
}

function archiveCommand(context: CommandContext): Command {
  return resultCommand(
    'archive',
    'Rent an archive from many farmers, and take machines, a farm and more from it. Needs root.',
  )
    .addOption(
      new Option('--nodes <count>', 'machines: 24 in 6 farms, or 8 in 4')
        .choices(['24', '8'])
        .default('24'),
    )
    .option('--shards <k+m>', 'data and parity; default: 16+4, with 8 nodes 4+2', parseShards)
    .option(
      '--data <size>',
      'of the objects, such as 200M; default: 2G, with 8 nodes 200M',
      parseData,
    )
    .option('--seed <n>', 'decides which machines are killed; default: drawn, and told', parseSeed)
    .option('--folder <path>', 'of the demo alone; default: GRID_HOME with -demo behind it')
    .option('--slack <times>', 'how much longer than promised things may take', parseCount)
    .addHelpText('after', '\nExit status 0 when every step passed, 1 when one did not.')
    .action(async (options: ArchiveOptions) => {
      requireRoot(context, 'run a demo');
      await runArchive(context, options);
    });
}

async function runArchive(context: CommandContext, options: ArchiveOptions): Promise<void> {
  const { archiveDemo, comparisonOf, lastLine, stepLine } = await import('@commongrid/system/demo');
  const { terminal, environment } = context;
  const nodes = options.nodes === '8' ? 8 : 24;
  const given = options.shards;
  const shards =
    given === undefined
      ? usualShards[nodes]
      : { data: given.dataShards, parity: given.parityShards };
  const dataBytes = options.data ?? usualDataBytes[nodes];
  const seed = options.seed ?? systemRandom.int(0, seedMax);
  terminal.note(`seed ${seed}`);
  using view = terminal.showsProgress ? new DemoView(terminal.style) : undefined;
  const above = (print: () => void): void => (view === undefined ? print() : view.above(print));
  const report = await archiveDemo({
    ...{ nodes, shards, dataBytes, seed, folder: options.folder ?? `${environment.home}-demo` },
    ...(options.slack === undefined ? {} : { slack: options.slack }),
    signal: shutdownSignal(),
    note: (text) => above(() => terminal.note(text)),
    onResult: (result) => {
      if (options.json !== true) above(() => terminal.print(stepLine(result)));
    },
    onFrame: view && ((frame) => view.show(frame)),
  });
  view?.close();
  if (report.failed > 0) context.exitStatus = 1;
  const comparison = comparisonOf(report.steps);
  const result = { schema: 'grid.demo.1', demo: 'archive', nodes, seed, ...report, comparison };
  printResult(context, options, result, () =>
    [
      ...(comparison.length === 0 ? [] : [describeComparison(comparison, terminal.style), '']),
      lastLine('archive', report),
    ].join('\n'),
  );
}

/** A size, whose unit may be short: `200M`. */
function parseData(text: string): number {
  return parseSize(/^\d+[kMGT]$/.test(text) ? `${text}B` : text);
}

/** Seeds are below this. */
const seedMax = 1_000_000;

function parseSeed(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`give a whole number below ${seedMax}`);
}
