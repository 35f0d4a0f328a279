import type { TrafficCounts } from '../../data/traffic.ts';
import type { ProcessFindings, Spread, WatchFindings } from './watch-types.ts';

/** What a page about a soak says beside what was seen. */
export interface SoakPageFacts {
  /** Where it ran: one line. */
  readonly machine: string;
  /** Of what: one line. */
  readonly versions: string;
  /** How to run it again, with its seed. */
  readonly command: string;
  /** What of the town, the seed and the time is worth a line each. */
  readonly lines: readonly string[];
  /** What was not as it has to be, in the order in which it was seen; those of the findings among them. */
  readonly broken: readonly string[];
}

/** A page of Markdown for `docs/qa`. @param at when it was measured @param findings absent where it ended before its time */
export function soakPage(
  { machine, versions, command, lines, broken }: SoakPageFacts,
  findings: WatchFindings | undefined,
  at: Date,
): string {
  const parts = [
    '# ./grid demo soak',
    '',
    `Measured on ${at.toISOString().slice(0, 10)}.`,
    `Machine: ${machine}.`,
    `Versions: ${versions}.`,
    `To repeat: \`${command}\``,
    '',
    ...lines.map((line) => `- ${line}`),
    `- ${broken.length === 0 ? 'nothing was broken' : `broken: ${broken.length}`}`,
    ...broken.map((one) => `  - ${one}`),
  ];
  return [...parts, ...(findings === undefined ? [] : findingLines(findings)), ''].join('\n');
}

function findingLines(findings: WatchFindings): readonly string[] {
  const { promises, healing, requests, traffic, processes } = findings;
  const { reads, writes, expected } = traffic;
  return [
    ...section(
      'What was held',
      ['promise', 'times', 'in the end'],
      [...promises.map(({ name, checks, figure }) => [name, String(checks), figure])],
    ),
    ...section(
      'Faults',
      ['what', 'times', 'median s', 'worst s'],
      [...healing.map((one) => [one.kind, ...spreadCells(one)])],
    ),
    'From the begin of a fault until all of it was well again, what it lasted included.',
    ...section(
      'Clients',
      ['what', 'done', 'failed', 'longest s', 'MB', 'MB/s'],
      [
        ['objects read', ...trafficCells(reads, findings.seconds)],
        ['objects written', ...trafficCells(writes, findings.seconds)],
        ['objects read while failures were expected', ...trafficCells(expected.reads)],
        ['objects written while failures were expected', ...trafficCells(expected.writes)],
        ...requests.map(({ kind, count, failed, worstMs }) => {
          return [
            `${kind} asked`,
            String(count - failed),
            String(failed),
            seconds(worstMs),
            '',
            '',
          ];
        }),
      ],
    ),
    'One failed when it gave up after all its tries.',
    ...section(
      'Memory',
      ['process', 'lives', 'most MB', 'MB an hour', 'files an hour', 'flat'],
      [...processes.map(processCells)],
    ),
    ...memoryWords,
  ];
}

const memoryWords = [
  'Growth is a line through the second half of the longest life of a process, and not before it is five minutes old.',
  'It is flat where the line rises by no more than 32 MiB or 32 files in the time that is judged, or does not rise in each',
  'half of that. A life with less than five minutes to judge shows nothing, and has no word.',
];

function section(
  title: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const table = [line(head), line(head.map(() => '---')), ...rows.map(line)];
  return ['', `## ${title}`, '', ...(rows.length === 0 ? ['none'] : table), ''];
}

function spreadCells({ count, medianMs, worstMs }: Spread): readonly string[] {
  return [String(count), seconds(medianMs), seconds(worstMs)];
}

/** @param forSeconds for how long; without it no pace is told */
function trafficCells(counts: TrafficCounts, forSeconds?: number): readonly string[] {
  const { done, failed, longestMs, bytes } = counts;
  const pace = forSeconds === undefined ? '' : (bytes / 1e6 / forSeconds).toFixed(2);
  const words = [String(done), String(failed), seconds(longestMs)];
  return [...words, (bytes / 1e6).toFixed(1), pace];
}

function processCells({ name, lives, largestBytes, growth }: ProcessFindings): readonly string[] {
  const words = [name, String(lives), megabytes(largestBytes)];
  if (growth === undefined) return [...words, '', '', ''];
  const { bytesPerHour, filesPerHour, isFlat } = growth;
  return [...words, megabytes(bytesPerHour), filesPerHour.toFixed(0), isFlat ? 'yes' : 'NO'];
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
