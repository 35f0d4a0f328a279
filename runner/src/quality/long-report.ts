import { join } from 'node:path';

import { formatBytes, writeFileAtomic } from '@commongrid/base';

import { thisMachine, versionsOf } from './machine.ts';
import type { TestStageResult } from './test-stages.ts';

export interface LongResult {
  readonly checkPassed: boolean;
  readonly passed: number;
  readonly failed: number;
  readonly stages: readonly TestStageResult[];
}

/** Keeps the outcome of the last `grid test --long` in docs/qa/long-test.md. */
export async function saveLongReport(root: string, result: LongResult): Promise<void> {
  const text = longReport(result, await versionsOf(root), new Date());
  await writeFileAtomic(join(root, 'docs', 'qa', 'long-test.md'), text);
}

function longReport(
  result: LongResult,
  versions: Readonly<Record<string, string>>,
  now: Date,
): string {
  const rows = result.stages.map((stage) => {
    const minutes = (stage.seconds / 60).toFixed(1);
    return `| ${stage.name} | ${stage.fileCount} | ${stage.passed} | ${stage.failed} | ${minutes} |`;
  });
  const failures = result.stages.flatMap((stage) => stage.failures);
  const { cores, cpu, memoryBytes, kernel } = thisMachine();
  const versionWords = Object.entries(versions).map(([what, version]) => `${what} ${version}`);
  return [
    '# Last long test',
    '',
    `- when: ${now.toISOString()}`,
    `- machine: ${cores} x ${cpu}, ${formatBytes(memoryBytes)}, ${kernel}`,
    `- versions: ${versionWords.join(', ')}`,
    `- check: ${result.checkPassed ? 'passed' : 'found faults'}`,
    `- tests: ${result.passed} passed, ${result.failed} failed`,
    '',
    '| stage | files | passed | failed | minutes |',
    '| ----- | ----- | ------ | ------ | ------- |',
    ...rows,
    ...(failures.length === 0 ? [] : ['', 'Failed:', '']),
    ...failures.map(({ name, place }) => `- ${name} (${place.split('/').at(-1)})`),
    '',
  ].join('\n');
}
