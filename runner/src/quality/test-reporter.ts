import { basename } from 'node:path';
import type { EventData } from 'node:test';
import type { TestEvent } from 'node:test/reporters';

/** What a stage of tests comes to. Counts are node's own; `failed` includes cancelled tests. */
export interface TestTally {
  readonly passed: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly skipped: number;
  readonly todo: number;
  readonly suites: number;
  readonly failures: readonly TestFailure[];
  /** The files that took longest, slowest first; empty when all ran in one process. */
  readonly slowest: readonly TestFileTime[];
}

export interface TestFileTime {
  readonly file: string;
  readonly seconds: number;
}

/** Files that are named as slowest. */
const maxSlowest = 5;

export interface TestFailure {
  readonly name: string;
  /** `file:line`, absolute. */
  readonly place: string;
}

/** Reporter for `node --test`: writes one TestTally as JSON when the run ends. */
export default async function* testReporter(
  events: AsyncIterable<TestEvent>,
): AsyncGenerator<string> {
  const failures: TestFailure[] = [];
  const times: TestFileTime[] = [];
  for await (const event of events) {
    if (event.type === 'test:fail' && event.data.details.type !== 'suite') {
      const { name, file = '', line = 0 } = event.data;
      failures.push({ name, place: `${file}:${line}` });
    }
    if (event.type !== 'test:summary') continue;
    const { file, counts, duration_ms: durationMs } = event.data;
    // A summary without a file is the one of the whole run.
    if (file === undefined) yield JSON.stringify(tallyOf(counts, failures, times));
    else times.push({ file: basename(file), seconds: Math.round(durationMs / 100) / 10 });
  }
}

function tallyOf(
  { passed, cancelled, skipped, todo, suites, tests }: EventData.TestSummary['counts'],
  failures: readonly TestFailure[],
  times: readonly TestFileTime[],
): TestTally {
  const failed = tests - passed - skipped - todo;
  const slowest = times.toSorted((a, b) => b.seconds - a.seconds).slice(0, maxSlowest);
  return { passed, failed, cancelled, skipped, todo, suites, failures, slowest };
}
