import { formatBytes } from '@commongrid/base';
import type { BenchRow } from '@commongrid/system/bench';

import type { Machine } from './machine.ts';

/** What a benchmark gave, as `--json` prints it. */
export interface BenchReport {
  readonly schema: 'grid.bench.1';
  readonly bench: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly BenchRow[];
}

/** The rows for a table, its head first. */
export function benchCells({ rows }: BenchReport): string[][] {
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
  return [['', 'ours', 'rival', 'unit', 'ratio', 'must', 'aim', 'met', ''], ...cells];
}

/** Where and with what it was measured. */
export function benchFacts({
  machine,
  versions,
}: Pick<BenchReport, 'machine' | 'versions'>): string[] {
  const { cpu, cores, memoryBytes, kernel } = machine;
  const versionWords = Object.entries(versions).map(([what, version]) => `${what} ${version}`);
  return [`${cores} x ${cpu}, ${formatBytes(memoryBytes)}, ${kernel}`, versionWords.join(', ')];
}

/** A page of Markdown for `docs/qa`, to be written to a file. */
export function benchPage(report: BenchReport, file: string): string {
  const [head = [], ...rows] = benchCells(report);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const [machine = '', versions = ''] = benchFacts(report);
  return [
    `# ./grid bench ${report.bench}`,
    '',
    `Measured on ${new Date().toISOString().slice(0, 10)}.`,
    `Machine: ${machine}.`,
    `Versions: ${versions}.`,
    `To repeat: \`./grid bench ${report.bench} --report ${file}\``,
    '',
    line(head),
    line(head.map(() => '---')),
    ...rows.map(line),
    '',
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
