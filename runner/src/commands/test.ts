import { GridError } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import type { GridErrorCode } from '../errors.ts';
import { runCheckStages } from '../quality/check-stages.ts';
import { saveLongReport } from '../quality/long-report.ts';
import { installNeeds, missingNeeds } from '../quality/test-needs.ts';
import {
  checkBudgetMinutes,
  findTestFiles,
  installBudgetMinutes,
  runTestStage,
  testStages,
} from '../quality/test-stages.ts';
import type { TestRunOptions, TestStage, TestStageResult } from '../quality/test-stages.ts';
import { counted } from '../terminal.ts';
import type { Terminal } from '../terminal.ts';
import { noteCheckResult } from './check.ts';

type TestOptions = JsonOption & { readonly long?: true };

export function testCommand(context: CommandContext): Command {
  return resultCommand('test', 'Install what tests need, check, then run unit and system tests.')
    .argument('[pattern]', 'run only test files with this in their path, and no check')
    .option('--long', 'run long loops in full and keep the report in docs/qa')
    .action(async (pattern: string | undefined, options: TestOptions) => {
      await runTests(context, pattern, options);
    });
}

interface PlannedStage {
  readonly stage: TestStage;
  readonly files: readonly string[];
}

async function runTests(
  context: CommandContext,
  pattern: string | undefined,
  options: TestOptions,
): Promise<void> {
  const { root, terminal, environment } = context;
  const reportTo = options.json === true ? 'stderr' : 'stdout';
  const run: TestRunOptions = { root, pattern, isLong: options.long === true, reportTo };
  const plan = await planStages(run);
  const startedMs = performance.now();
  await installNeeds(await missingNeeds(), environment.isRoot, terminal.note);
  noteTime(terminal, 'programs', (performance.now() - startedMs) / 1000, installBudgetMinutes);
  const checkPassed = pattern !== undefined || (await checkFirst(context));
  const stages: TestStageResult[] = [];
  for (const row of plan) {
    // One of them is seen while it runs. Lines of several would say nothing.
    const results = row.map((planned, at) => runStage(context, planned, run, at > 0));
    stages.push(...(await Promise.all(results)));
  }
  const result = { schema: 'grid.test.1', checkPassed, ...sumOf(stages), stages };
  if (!checkPassed || stages.some((stage) => !stage.ok)) context.exitStatus = 1;
  if (run.isLong) await saveLongReport(root, result);
  noteFailures(context, checkPassed, stages);
  const lines = closingLines(result, (performance.now() - startedMs) | 0);
  printResult(context, options, result, () => lines);
}

async function runStage(
  { terminal }: CommandContext,
  { stage, files }: PlannedStage,
  run: TestRunOptions,
  isBeside: boolean,
): Promise<TestStageResult> {
  const title = `\n${stage.name} tests: ${counted(files.length, 'file')}`;
  terminal.note(isBeside ? `${title} at the same time, told at its end` : title);
  const tell = (report: string): void => {
    terminal.note(`${title}, at the same time`);
    (run.reportTo === 'stdout' ? terminal.print : terminal.note)(report.trimEnd());
  };
  const result = await runTestStage(stage, files, { ...run, ...(isBeside && { onReport: tell }) });
  noteTime(terminal, `${stage.name} tests`, result.seconds, stage.budgetMinutes);
  const slowest = result.slowest.map(({ file, seconds }) => `${file} ${seconds} s`);
  if (slowest.length > 0) terminal.note(`slowest: ${slowest.join(', ')}`);
  return result;
}

/** Rows of stages that have files. */
async function planStages(run: TestRunOptions): Promise<PlannedStage[][]> {
  const planRow = async (row: readonly TestStage[]): Promise<PlannedStage[]> => {
    const all = row.map(async (stage) => ({ stage, files: await findTestFiles(stage, run) }));
    return (await Promise.all(all)).filter(({ files }) => files.length > 0);
  };
  const plan = (await Promise.all(testStages.map(planRow))).filter((row) => row.length > 0);
  if (plan.length > 0) return plan;
  throw new GridError<GridErrorCode>('GRID_TEST_NONE', `no test file matches ${run.pattern}`, {
    hint: 'give a part of the path of a test file, such as zdb',
  });
}

async function checkFirst(context: CommandContext): Promise<boolean> {
  const startedMs = performance.now();
  const results = await runCheckStages(context.root, (result) =>
    noteCheckResult(context.terminal, result),
  );
  noteTime(context.terminal, 'check', (performance.now() - startedMs) / 1000, checkBudgetMinutes);
  return results.every((result) => result.ok);
}

function noteTime(terminal: Terminal, name: string, seconds: number, minutes: number): void {
  const { note, style } = terminal;
  const used = `${(seconds / 60).toFixed(1)} of ${minutes} min`;
  const isOver = seconds > minutes * 60;
  note(`time: ${name} ${isOver ? style.bad(`${used}, over its budget`) : used}`);
}

function noteFailures(
  context: CommandContext,
  checkPassed: boolean,
  stages: readonly TestStageResult[],
): void {
  const { note, style } = context.terminal;
  note('');
  if (!checkPassed) note(style.bad('failed: grid check, see above'));
  for (const { name, place } of stages.flatMap((stage) => stage.failures)) {
    note(style.bad(`failed: ${name} (${place})`));
  }
}

interface TestSum {
  readonly suites: number;
  readonly passed: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly skipped: number;
  readonly todo: number;
}

function sumOf(stages: readonly TestStageResult[]): TestSum {
  const sum = { suites: 0, passed: 0, failed: 0, cancelled: 0, skipped: 0, todo: 0 };
  for (const stage of stages) {
    sum.suites += stage.suites;
    sum.passed += stage.passed;
    sum.failed += stage.failed;
    sum.cancelled += stage.cancelled;
    sum.skipped += stage.skipped;
    sum.todo += stage.todo;
  }
  return sum;
}

/** The closing lines of node's test runner, over all stages, and one plain line. */
function closingLines(sum: TestSum, durationMs: number): string {
  return [
    `ℹ tests ${sum.passed + sum.failed + sum.skipped + sum.todo}`,
    `ℹ suites ${sum.suites}`,
    `ℹ pass ${sum.passed}`,
    `ℹ fail ${sum.failed - sum.cancelled}`,
    `ℹ cancelled ${sum.cancelled}`,
    `ℹ skipped ${sum.skipped}`,
    `ℹ todo ${sum.todo}`,
    `ℹ duration_ms ${durationMs}`,
    `${sum.passed} passed, ${sum.failed} failed`,
  ].join('\n');
}
