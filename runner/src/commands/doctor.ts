import { isGridError } from '@commongrid/base';
import type { Command } from 'commander';

import manifest from '../../package.json' with { type: 'json' };
import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import type { Diagnosis, DiagnosisLevel } from '../doctor/diagnosis.ts';
import { examineGrid } from '../doctor/examine-grid.ts';
import { counted, formatTable, withProgress } from '../terminal.ts';
import type { Style } from '../terminal.ts';

type DoctorOptions = JsonOption & { readonly fix?: true; readonly bundle?: string };

interface DoctorReport {
  readonly schema: 'grid.doctor.1';
  /** True when nothing failed. */
  readonly ok: boolean;
  readonly home: string;
  readonly findings: readonly Omit<Diagnosis, 'repair'>[];
  /** Names of what --fix mended. */
  readonly fixed: readonly string[];
  /** The file of --bundle. */
  readonly bundle: string | null;
}

export function doctorCommand(context: CommandContext): Command {
  return resultCommand(
    'doctor',
    'Look for what is wrong with the grid or its machine. Exit status 1 when something failed.',
  )
    .option('--fix', 'mend what can be mended without harm, then look again')
    .option('--bundle <file>', 'write a tar of what helps others to help: no secret is in it')
    .addHelpText('after', '\nWhat a machine needs to be a node alone: ./grid node doctor')
    .action(async (options: DoctorOptions) => {
      const report = await examine(context, options);
      if (!report.ok) context.exitStatus = 1;
      printResult(context, options, report, () => describe(report, context.terminal.style));
    });
}

async function examine(context: CommandContext, options: DoctorOptions): Promise<DoctorReport> {
  const { terminal, environment } = context;
  const look = (): Promise<readonly Diagnosis[]> =>
    withProgress(terminal, 'looking', examineGrid(context));
  const before = await look();
  const fixed = options.fix === true ? await mend(context, before) : [];
  const after = fixed.length === 0 ? before : await look();
  const { home } = environment;
  const report = {
    schema: 'grid.doctor.1' as const,
    ok: after.every(({ level }) => level !== 'fail'),
    ...{ home, fixed },
    findings: after.map(({ repair: _repair, ...finding }) => finding),
  };
  const { bundle = null } = options;
  if (bundle !== null) {
    const { writeBundle } = await import('../doctor/bundle.ts');
    const content = { home, report, version: manifest.version };
    await withProgress(terminal, 'writing the bundle', writeBundle(bundle, content));
  }
  return { ...report, bundle };
}

/** The names of what was mended; what refuses is told, and found again. */
async function mend(
  { terminal }: CommandContext,
  findings: readonly Diagnosis[],
): Promise<readonly string[]> {
  const mended: string[] = [];
  for (const { name, repair } of findings) {
    if (repair === undefined) continue;
    try {
      await repair();
      mended.push(name);
    } catch (error) {
      if (!isGridError(error)) throw error;
      terminal.note(`${name} cannot be mended: ${error.message}`);
    }
  }
  return mended;
}

function describe({ findings, fixed, bundle }: DoctorReport, style: Style): string {
  const paint: Readonly<Record<DiagnosisLevel, (text: string) => string>> = {
    ok: style.good,
    warn: style.strong,
    fail: style.bad,
  };
  const table = formatTable(findings.map(({ level, name, says }) => [level, name, says]));
  // Colours would count as width.
  const lines = table.split('\n').flatMap((line, at) => {
    const { level = 'ok', next } = findings[at] ?? {};
    const painted = `${paint[level](line.slice(0, level.length))}${line.slice(level.length)}`;
    return next === undefined ? [painted] : [painted, style.faint(`      next: ${next}`)];
  });
  return [
    ...lines,
    '',
    ...(fixed.length === 0 ? [] : [`mended: ${fixed.join(', ')}`]),
    ...(bundle === null ? [] : [`${bundle} is written: look into it before you send it`]),
    verdictOf(findings),
  ].join('\n');
}

function verdictOf(findings: DoctorReport['findings']): string {
  const count = (wanted: DiagnosisLevel): number =>
    findings.filter(({ level }) => level === wanted).length;
  const [failed, doubts] = [count('fail'), count('warn')];
  if (failed + doubts === 0) return 'nothing is wrong';
  return `${counted(failed, 'failure')}, ${counted(doubts, 'warning')}`;
}
