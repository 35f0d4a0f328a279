import type { StepResult } from '../steps.ts';

/** A number of this run beside that of the grid that this one is held against. */
export interface Comparison {
  readonly what: string;
  /** `12.3 s` */
  readonly here: string;
  readonly original: string;
}

interface Row {
  /** Name of the number in a step. */
  readonly measure: string;
  readonly what: string;
  readonly original: string;
  readonly shown: (value: number) => string;
}

const seconds = (value: number): string => `${value.toFixed(1)} s`;
const count = (value: number): string => String(value);

const rows: readonly Row[] = [
  {
    ...{ measure: 'shardReplacedSeconds', shown: seconds },
    ...{ what: 'a shard is lost and placed elsewhere', original: '3,600 s and up to 60 s' },
  },
  {
    ...{ measure: 'headFailoverSeconds', shown: seconds },
    ...{ what: 'another S3 head answers', original: 'up to 60 s and a deployment anew' },
  },
  {
    ...{ measure: 'appMovedSeconds', shown: seconds },
    ...{ what: 'an app answers from another machine', original: '2 to 4 h' },
  },
  {
    ...{ measure: 'setUpCommands', shown: count },
    ...{ what: 'steps until a store of S3 is ordered', original: '16' },
  },
  {
    ...{ measure: 'paidForNothing', shown: count },
    ...{ what: 'places paid for and not had', original: 'most of the time' },
  },
];

/** What was measured in these steps, beside the original. Where several steps measured it, the largest number. */
export function comparisonOf(results: readonly StepResult[]): readonly Comparison[] {
  return rows.flatMap(({ measure, what, original, shown }) => {
    const all = results.flatMap(({ measures }) => measures[measure] ?? []);
    return all.length === 0 ? [] : [{ what, here: shown(Math.max(...all)), original }];
  });
}
