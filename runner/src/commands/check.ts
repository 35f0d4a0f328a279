import type { Command } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import { runCheckStages, runFixes } from '../quality/check-stages.ts';
import type { CheckResult } from '../quality/check-stages.ts';
import type { Terminal } from '../terminal.ts';

type CheckOptions = JsonOption & { readonly fix?: true };

export function checkCommand(context: CommandContext): Command {
  return resultCommand(
    'check',
    'Check types, lint, format, layers, dead code, documents and tidiness.',
  )
    .option('--fix', 'first format all files and make docs/errors.md anew')
    .action(async (options: CheckOptions) => {
      const { terminal, root } = context;
      if (options.fix === true) await runFixes(root);
      const stages = await runCheckStages(root, (result) => noteCheckResult(terminal, result));
      const ok = stages.every((stage) => stage.ok);
      if (!ok) context.exitStatus = 1;
      printResult(context, options, { schema: 'grid.check.1', ok, stages }, () =>
        verdictOf(stages),
      );
    });
}

/** One line for a stage, and its words when it found faults. */
export function noteCheckResult(terminal: Terminal, result: CheckResult): void {
  const mark = result.ok ? terminal.style.good('ok    ') : terminal.style.bad('faults');
  terminal.note(`${mark} ${result.name.padEnd(10)} ${result.seconds.toFixed(1)} s`);
  if (!result.ok && result.output !== '') terminal.note(result.output);
}

function verdictOf(stages: readonly CheckResult[]): string {
  const faulty = stages.filter((stage) => !stage.ok).map((stage) => stage.name);
  return faulty.length === 0
    ? 'check passed'
    : `check found faults in: ${faulty.join(', ')} (format and error page: ./grid check --fix)`;
}
