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
}

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
  for await (const event of events) {
    if (event.type === 'test:fail' && event.data.details.type !== 'suite') {
      const { name, file = '', line = 0 } = event.data;
      failures.push({ name, place: `${file}:${line}` });
    }
    // A summary without a file is the one of the whole run.
    if (event.type === 'test:summary' && event.data.file === undefined) {
      const { passed, cancelled, skipped, todo, suites, tests } = event.data.counts;
      const failed = tests - passed - skipped - todo;
      const tally: TestTally = { passed, failed, cancelled, skipped, todo, suites, failures };
      yield JSON.stringify(tally);
    }
  }
}
