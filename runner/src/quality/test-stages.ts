import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { glob, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { childVariables } from '../environment.ts';
import type { TestTally } from './test-reporter.ts';

export interface TestStage {
  readonly name: string;
  readonly globs: readonly string[];
  /** Of these, what is another stage's. */
  readonly except?: readonly string[];
  /** Words for `node --test`. */
  readonly words: readonly string[];
  readonly budgetMinutes: number;
}

/**
 * Time that installing packages and programs may take on a new machine: most of the programs are
 * clients of S3 or tools for images, and bring much with them.
 */
export const installBudgetMinutes = 7;

/** Time that `grid check` may take. */
export const checkBudgetMinutes = 1;

/** Files that wait for most of their time: what they take from tests beside them is little. */
const waitingFiles = ['demo-archive', 'grid-healing', 'grid-store', 'node-release'].map(
  (name) => `system/e2e/${name}.test.ts`,
);

/** Stages in their order; those of a row run at the same time. */
export const testStages: readonly (readonly TestStage[])[] = [
  [
    {
      // Unit tests touch nothing outside themselves: one process for all saves a start per file.
      name: 'unit',
      globs: [
        ...['*/*/src/**/*.test.ts', 'solutions/src/**/*.test.ts', 'runner/src/**/*.test.ts'],
        'tools/**/*.test.ts',
      ],
      words: ['--test-isolation=none'],
      budgetMinutes: 1,
    },
  ],
  [
    {
      // A process for each file. Two at a time: more would starve tests that start servers. Half of
      // the time goes to Zero-Stor and S3, which wait for what they promise to do within seconds:
      // a head that takes over, a backend that is given up, what is made again.
      name: 'integration',
      globs: ['*/*/test/**/*.test.ts', 'runner/test/**/*.test.ts', 'system/**/*.test.ts'],
      except: waitingFiles,
      // A file ends with its tests: one that failed may have left a server that keeps its process, and
      // would hold up all others for ever.
      words: ['--test-concurrency=2', '--test-force-exit'],
      budgetMinutes: 35,
    },
    {
      // One after another. The demo, a whole grid of many owners, would also hold up the end of the others.
      name: 'waiting',
      globs: waitingFiles,
      words: ['--test-concurrency=1', '--test-force-exit'],
      budgetMinutes: 25,
    },
  ],
];

export interface TestRunOptions {
  readonly root: string;
  /** Part of the path of the files to run; all files without it. */
  readonly pattern?: string | undefined;
  /** Long loops in full. */
  readonly isLong: boolean;
  /** Where node's own report goes. */
  readonly reportTo: 'stdout' | 'stderr';
}

export type TestStageResult = TestTally & {
  readonly name: string;
  readonly fileCount: number;
  readonly ok: boolean;
  readonly seconds: number;
  readonly budgetMinutes: number;
};

/** Options of a stage of its own. */
export type StageRunOptions = TestRunOptions & {
  /** Gets what node reports once all of it is there. Without it that comes as it is made. */
  readonly onReport?: ((text: string) => void) | undefined;
};

/** The test files of a stage, sorted, relative to the repository. */
export async function findTestFiles(stage: TestStage, options: TestRunOptions): Promise<string[]> {
  const { root, pattern = '' } = options;
  const files = await Array.fromAsync(
    glob([...stage.globs], { cwd: root, exclude: (path) => path.includes('node_modules') }),
  );
  const own = files.filter((file) => stage.except?.includes(file) !== true);
  return own.filter((file) => file.includes(pattern)).toSorted();
}

/** Runs the files of one stage with node's test runner. */
export async function runTestStage(
  stage: TestStage,
  files: readonly string[],
  options: StageRunOptions,
): Promise<TestStageResult> {
  const startedMs = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'grid-test-'));
  try {
    const tallyFile = join(folder, 'tally.json');
    await using report = options.onReport && (await open(join(folder, 'report'), 'w+'));
    const output = report?.fd ?? 'inherit';
    const child = spawn(process.execPath, [...testWords(stage, tallyFile, options), ...files], {
      cwd: options.root,
      env: childVariables(options.isLong ? { GRID_TEST_LONG: '1' } : {}),
      stdio: ['ignore', output, output],
    });
    const [status] = (await once(child, 'exit')) as [number | null];
    options.onReport?.(await readFile(join(folder, 'report'), 'utf8'));
    const tally = await readTally(tallyFile);
    return {
      ...tally,
      name: stage.name,
      fileCount: files.length,
      ok: status === 0 && tally.failed === 0 && tally.passed > 0,
      seconds: (performance.now() - startedMs) / 1000,
      budgetMinutes: stage.budgetMinutes,
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

function testWords(stage: TestStage, tallyFile: string, options: TestRunOptions): string[] {
  return [
    '--test',
    ...stage.words,
    `--test-timeout=${(options.isLong ? 240 : 5) * 60_000}`,
    '--test-reporter=spec',
    `--test-reporter-destination=${options.reportTo}`,
    `--test-reporter=${join(import.meta.dirname, 'test-reporter.ts')}`,
    `--test-reporter-destination=${tallyFile}`,
  ];
}

/** A run that broke before its summary counts as one failure. */
async function readTally(tallyFile: string): Promise<TestTally> {
  const text = await readFile(tallyFile, 'utf8').catch(() => '');
  if (text !== '') return JSON.parse(text) as TestTally;
  const failures = [{ name: 'the test run broke off', place: 'see above' }];
  return {
    ...{ passed: 0, failed: 1, cancelled: 0, skipped: 0, todo: 0, suites: 0 },
    ...{ failures, slowest: [] },
  };
}
