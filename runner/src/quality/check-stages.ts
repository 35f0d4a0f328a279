import { join } from 'node:path';

import { runTool } from './run-tool.ts';
import type { ToolResult } from './run-tool.ts';

interface CheckStage {
  readonly name: string;
  /** A script that Node runs, relative to the repository, and its words. */
  readonly words: readonly string[];
}

/** The stages of `grid check`, longest first so that two workers end together. */
const checkStages: readonly CheckStage[] = [
  { name: 'types', words: ['node_modules/typescript/bin/tsc', '-p', '.'] },
  {
    name: 'lint',
    words: ['node_modules/oxlint/bin/oxlint', '--type-aware', '--deny-warnings', '--quiet'],
  },
  { name: 'dead code', words: ['node_modules/knip/bin/knip.js', '--no-progress'] },
  { name: 'documents', words: ['tools/check-docs.ts'] },
  { name: 'layers', words: ['tools/check-layers.ts'] },
  { name: 'tidiness', words: ['tools/check-tidy.ts'] },
  { name: 'format', words: ['node_modules/oxfmt/bin/oxfmt', '--check', '.'] },
];

/** Stages that run at a time: their tools use more than one core each. */
const workers = 2;

export type CheckResult = ToolResult & { readonly name: string };

/** Runs all stages and reports each as it ends. */
export async function runCheckStages(
  root: string,
  onEnd: (result: CheckResult) => void,
): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  const waiting = [...checkStages];
  const work = async (): Promise<void> => {
    for (let stage = waiting.shift(); stage !== undefined; stage = waiting.shift()) {
      const { name, words } = stage;
      const [script = '', ...rest] = words;
      const ended = await runTool(process.execPath, [join(root, script), ...rest], root);
      const result = { name, ...ended };
      results.push(result);
      onEnd(result);
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  return results;
}

/** Changes what a program can mend: the page of errors, then the format of all files. */
export async function runFixes(root: string): Promise<void> {
  await runTool(process.execPath, [join(root, 'tools/check-docs.ts'), '--write'], root);
  await runTool(process.execPath, [join(root, 'node_modules/oxfmt/bin/oxfmt'), '.'], root);
}
