import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { GridError, shutdownSignal } from '@commongrid/base';
import type { BenchModule } from '@commongrid/system/bench';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import type { GridErrorCode } from '../errors.ts';
import { benchCells, benchFacts, benchPage } from '../quality/bench-report.ts';
import type { BenchReport } from '../quality/bench-report.ts';
import { benchTable } from '../quality/bench-table.ts';
import { thisMachine, versionsOf } from '../quality/machine.ts';
import { formatTable } from '../terminal.ts';

type BenchCommandOptions = JsonOption & {
  readonly rounds: number;
  readonly quick?: true;
  readonly only?: string;
  readonly report?: string;
};

export function benchCommand(context: CommandContext): Command {
  return resultCommand('bench', 'Measure against the rival, side by side in one run.')
    .argument('[name]', `one of: ${Object.keys(benchTable).join(', ')}`)
    .option('--rounds <count>', 'times that each side is measured', parseRounds, 3)
    .option('--quick', 'short runs over little data: shows that it works, not how fast')
    .option('--only <text>', 'only rows whose name holds this text')
    .option('--report <file>', 'also write the table to a Markdown file')
    .addHelpText(
      'after',
      '\nExit status 0 when every row reaches what it must, 1 when one does not.',
    )
    .action(async (name: string | undefined, options: BenchCommandOptions) => {
      if (name === undefined) listBenches(context, options);
      else await runBench(context, name, options);
    });
}

function listBenches(context: CommandContext, options: JsonOption): void {
  const benches = Object.keys(benchTable);
  printResult(context, options, { schema: 'grid.benches.1', benches }, () => benches.join('\n'));
}

async function runBench(
  context: CommandContext,
  name: string,
  options: BenchCommandOptions,
): Promise<void> {
  const path = benchTable[name];
  if (path === undefined) {
    throw new GridError<GridErrorCode>('GRID_BENCH_UNKNOWN', `no benchmark is called ${name}`, {
      hint: './grid bench',
      details: { name },
    });
  }
  const module = (await import(pathToFileURL(join(context.root, path)).href)) as BenchModule;
  const rows = await module.run({
    rounds: options.rounds,
    isQuick: options.quick === true,
    ...(options.only === undefined ? {} : { only: options.only }),
    signal: shutdownSignal(),
    note: (text) => context.terminal.note(text),
  });
  if (!rows.every((row) => row.met)) context.exitStatus = 1;
  const report: BenchReport = {
    schema: 'grid.bench.1',
    bench: name,
    machine: thisMachine(),
    versions: await versionsOf(context.root),
    rows,
  };
  if (options.report !== undefined)
    await writeFile(options.report, benchPage(report, options.report));
  printResult(context, options, report, describe);
}

function describe(report: BenchReport): string {
  return [formatTable(benchCells(report)), '', ...benchFacts(report)].join('\n');
}

function parseRounds(text: string): number {
  const rounds = Number(text);
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= 100) return rounds;
  throw new InvalidArgumentError('give a whole number from 1 to 100');
}
