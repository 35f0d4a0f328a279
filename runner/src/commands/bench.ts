import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { formatBytes, GridError, shutdownSignal } from '@commongrid/base';
import type { BenchModule, BenchRow } from '@commongrid/system/bench';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import type { GridErrorCode } from '../errors.ts';
import { benchTable } from '../quality/bench-table.ts';
import { thisMachine, versionsOf } from '../quality/machine.ts';
import type { Machine } from '../quality/machine.ts';
import { formatTable } from '../terminal.ts';

type BenchCommandOptions = JsonOption & { readonly rounds: number };

interface BenchReport {
  readonly schema: 'grid.bench.1';
  readonly bench: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly BenchRow[];
}

export function benchCommand(context: CommandContext): Command {
  return resultCommand('bench', 'Measure against the rival, side by side in one run.')
    .argument('[name]', `one of: ${Object.keys(benchTable).join(', ')}`)
    .option('--rounds <count>', 'times that each side is measured', parseRounds, 3)
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
  printResult(context, options, report, describe);
}

function describe({ machine, versions, rows }: BenchReport): string {
  const cells = rows.map((row) => [
    row.name,
    figure(row.ours),
    figure(row.rival),
    row.unit,
    row.ratio === null ? '' : `${row.ratio.toFixed(2)}x`,
    bound(row, row.must),
    bound(row, row.aim),
    row.met ? 'yes' : 'NO',
    row.note ?? '',
  ]);
  const head = ['', 'ours', 'rival', 'unit', 'ratio', 'must', 'aim', 'met', ''];
  const { cpu, cores, memoryBytes, kernel } = machine;
  const versionWords = Object.entries(versions).map(([what, version]) => `${what} ${version}`);
  return [
    formatTable([head, ...cells]),
    '',
    `${cores} x ${cpu}, ${formatBytes(memoryBytes)}, ${kernel}`,
    versionWords.join(', '),
  ].join('\n');
}

function bound(row: BenchRow, value: number | null): string {
  if (value === null) return '';
  return row.rule === 'ratio' ? `${value}x` : `${row.rule} ${figure(value)}`;
}

function figure(value: number | null): string {
  if (value === null) return '';
  return value.toLocaleString('en-US', { maximumSignificantDigits: value >= 1000 ? 6 : 4 });
}

function parseRounds(text: string): number {
  const rounds = Number(text);
  if (Number.isInteger(rounds) && rounds >= 1 && rounds <= 100) return rounds;
  throw new InvalidArgumentError('give a whole number from 1 to 100');
}
