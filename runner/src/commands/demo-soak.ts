import { resolve } from 'node:path';

import { shutdownSignal, systemRandom, writeFileAtomic } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import { benchFacts } from '../quality/bench-report.ts';
import { thisMachine, versionsOf } from '../quality/machine.ts';
import { counted } from '../terminal.ts';
import { parseCount } from './bcdb/options.ts';
import { parseSeed, seedMax } from './demo-seed.ts';
import { requireRoot } from './flist/mounts.ts';
import { offerDemoPackages } from './offer-packages.ts';

type SoakOptions = JsonOption & {
  readonly minutes: number;
  readonly seed?: number;
  readonly folder?: string;
  readonly slack?: number;
  readonly report?: string;
};

/** How long it goes on, unless somebody says otherwise. */
const usualMinutes = 5;

export function soakCommand(context: CommandContext): Command {
  return resultCommand(
    'soak',
    'Harm a grid of 8 machines again and again while it is used, and watch what it promised. Needs root.',
  )
    .option('--minutes <n>', 'how long faults come and go', parseCount, usualMinutes)
    .option('--seed <n>', 'decides which faults befall whom; default: drawn, and told', parseSeed)
    .option('--folder <path>', 'of the demo alone; default: GRID_HOME with -demo behind it')
    .option('--slack <times>', 'how much longer than usual things may take', parseCount)
    .option('--report <file>', 'write what it showed there, as Markdown')
    .addHelpText('after', '\nExit status 0 when nothing was broken, 1 when something was.')
    .action(async (options: SoakOptions) => {
      requireRoot(context, 'run a demo');
      await offerDemoPackages(context, options);
      await runSoak(context, options);
    });
}

/** How a soak is run again. */
function wordsOf({ minutes, slack, report }: SoakOptions, seed: number): string {
  const slackWords = slack === undefined ? '' : ` --slack ${slack}`;
  const reportWords = report === undefined ? '' : ` --report ${report}`;
  return `./grid demo soak --minutes ${minutes} --seed ${seed}${slackWords}${reportWords}`;
}

async function runSoak(context: CommandContext, options: SoakOptions): Promise<void> {
  const { soakDemo, soakPage } = await import('@commongrid/system/demo');
  const { terminal, environment } = context;
  const { minutes, slack = 1, json, report: page } = options;
  const seed = options.seed ?? systemRandom.int(0, seedMax);
  terminal.note(`seed ${seed}`);
  const report = await soakDemo({
    ...{ minutes, seed, slack, folder: options.folder ?? `${environment.home}-demo` },
    signal: shutdownSignal(),
    onEvent: (seconds, text) => {
      const line = `${seconds.toFixed(1).padStart(7)} s  ${text}`;
      if (json === true) terminal.note(line);
      else terminal.print(line);
    },
  });
  const { faults, contracts, upgraded, takenBack, broken, findings } = report;
  const objects = findings?.objects ?? 0;
  if (broken.length > 0 || findings === undefined) context.exitStatus = 1;
  if (page !== undefined) {
    const now = new Date();
    const [machine = '', versions = ''] = benchFacts({
      ...{ machine: thisMachine(), versions: await versionsOf(context.root) },
    });
    const lines = [
      `8 machines in 4 farms, an archive of 4+2 shards with a page, seed ${seed}`,
      `${counted(faults, 'fault')} healed; ${counted(contracts, 'contract')} removed, ${upgraded} upgraded, ${takenBack} versions that do not work taken back`,
      `${counted(objects, 'object')} in the end, ${findings?.traffic.removed ?? 0} removed before`,
      `${report.seconds} s in all, ${findings === undefined ? 'ended before its time' : `with ${minutes} minutes of faults`}`,
    ];
    const facts = { machine, versions, command: wordsOf(options, seed), lines, broken };
    await writeFileAtomic(resolve(page), soakPage(facts, findings, now));
  }
  const result = { schema: 'grid.demo.soak.1', demo: 'soak', minutes, seed, slack, ...report };
  printResult(context, options, result, () => {
    return `demo soak: ${faults} faults, ${contracts} contracts, ${objects} objects, ${broken.length} broken in ${report.seconds} s${findings === undefined ? ', ended before its time' : ''}`;
  });
}
