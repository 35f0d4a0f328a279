import { shutdownSignal, systemRandom } from '@commongrid/base';
import { Command, Option } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext } from '../command-context.ts';
import { DemoView } from '../demo-view/demo-view.ts';
import { describeComparison } from '../demo-view/describe-demo.ts';
import { parseCount } from './bcdb/options.ts';
import { parseSeed, seedMax } from './demo-seed.ts';
import { archiveSchema, findSize } from './demo-size.ts';
import type { SizeOptions } from './demo-size.ts';
import { soakCommand } from './demo-soak.ts';
import { requireRoot } from './flist/mounts.ts';
import { offerDemoPackages } from './offer-packages.ts';
import { parseSize } from './node/node-arguments.ts';

type ArchiveOptions = SizeOptions & {
  readonly schema?: true;
  readonly seed?: number;
  readonly folder?: string;
  readonly slack?: number;
};

export function demoCommand(context: CommandContext): Command {
  return new Command('demo')
    .description('Show a whole grid at work on this machine.')
    .addCommand(archiveCommand(context))
    .addCommand(soakCommand(context));
}

function archiveCommand(context: CommandContext): Command {
  return resultCommand(
    'archive',
    'Rent an archive from many farmers, and take machines, a farm and more from it. Needs root.',
  )
    .addOption(
      new Option(
        '--nodes <count>',
        'machines: 24 in 6 farms, or 8 in 4; default: asked, or 24',
      ).choices(['24', '8']),
    )
    .option('--shards <k+m>', 'data and parity; default: asked, or 16+4, with 8 nodes 4+2')
    .option(
      '--data <size>',
      'of the objects, such as 200M; default: asked, or 2GiB, with 8 nodes 200M',
      parseData,
    )
    .option('--answers <file>', 'JSON with the answers to what is asked; options go before it')
    .option(
      '--yes',
      'ask nothing: what is not answered gets its default, and what is missing is installed by apt',
    )
    .option('--schema', 'only print the JSON Schema of the answers')
    .option('--seed <n>', 'decides which machines are killed; default: drawn, and told', parseSeed)
    .option('--folder <path>', 'of the demo alone; default: GRID_HOME with -demo behind it')
    .option('--slack <times>', 'how much longer than promised things may take', parseCount)
    .addHelpText('after', '\nExit status 0 when every step passed, 1 when one did not.')
    .action(async (options: ArchiveOptions) => {
      if (options.schema === true) await printSchema(context);
      else await runArchive(context, options);
    });
}

async function printSchema({ terminal }: CommandContext): Promise<void> {
  const schema = archiveSchema(await import('@commongrid/system/demo'));
  terminal.print(JSON.stringify(schema, null, 2));
}

async function runArchive(context: CommandContext, options: ArchiveOptions): Promise<void> {
  requireRoot(context, 'run a demo');
  const demo = await import('@commongrid/system/demo');
  const { archiveDemo, comparisonOf, lastLine, stepLine } = demo;
  const { terminal, environment } = context;
  const folder = options.folder ?? `${environment.home}-demo`;
  const size = await findSize(context, demo, { ...options, folder });
  await offerDemoPackages(context, options);
  const seed = options.seed ?? systemRandom.int(0, seedMax);
  terminal.note(`seed ${seed}`);
  using view = terminal.showsProgress ? new DemoView(terminal.style) : undefined;
  const above = (print: () => void): void => (view === undefined ? print() : view.above(print));
  const report = await archiveDemo({
    ...{ ...size, seed, folder },
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
  const { nodes } = size;
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
