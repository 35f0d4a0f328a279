import { namedTestsOf } from './named-tests.ts';
import type { SourceFile } from './source-files.ts';

/** Parts of the page of limits whose rows nothing can reach. */
const apart: ReadonlySet<string> = new Set(['Not there', 'What it costs', 'Not tried', 'Ports']);

/** The rows `- **what**: ...` of a page, but those of parts that nothing can reach. */
export function limitRowsOf({ text }: SourceFile): readonly string[] {
  return text
    .split(/^## /m)
    .filter((part) => !apart.has(part.split('\n', 1)[0] ?? ''))
    .flatMap((part) => [...part.matchAll(/^- \*\*(.+?)\*\*/gm)].map(([, name = '']) => name));
}

/** Faults of the two pages: each limit has a row of tests, and each of those rows a limit. */
export function findLimitRowFaults(limits: SourceFile, acceptance: SourceFile): string[] {
  const said = limitRowsOf(limits);
  const shown = limitRowsOf(acceptance);
  const rows = acceptance.text.split(/^- \*\*/m).slice(1);
  return [
    ...said
      .filter((row) => !shown.includes(row))
      .map((row) => `${limits.path}: ${acceptance.path} names no test for "${row}"`),
    ...shown
      .filter((row) => !said.includes(row))
      .map((row) => `${acceptance.path}: ${limits.path} has no limit "${row}"`),
    ...rows
      .filter((text) => namedTestsOf({ path: acceptance.path, text }).length === 0)
      .map((text) => `${acceptance.path}: no test for "${text.split('**', 1)[0]}"`),
  ];
}
