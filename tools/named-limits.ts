import { formatBytes } from '@commongrid/base';

import type { SourceFile } from './source-files.ts';

/** A constant of the code that bounds something. */
export interface NamedLimit {
  readonly name: string;
  /** As people read it: `64 MiB`, `5 s`, `4,096`. */
  readonly value: string;
  /** What it bounds. Empty when nobody wrote it down. */
  readonly meaning: string;
}

/** The constants `maxSomething`, `somethingMax` and `SOMETHING_MAX` of a file, with the comment above each. */
export function namedLimitsOf(text: string): NamedLimit[] {
  const pattern =
    /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?^(?:export )?const (max[A-Z]\w*|[a-z]\w*Max|[A-Z][A-Z0-9_]*_MAX) = (.*);/gm;
  return [...text.matchAll(pattern)].map(([, comment = '', name = '', value = '']) => ({
    name,
    value: readableValue(name, value),
    meaning: comment
      .replaceAll(/^\s*\*/gm, '')
      .replaceAll(/\s+/g, ' ')
      .trim(),
  }));
}

/** The page docs/named-limits.md, made of all files that are no tests. */
export function limitsPage(files: readonly SourceFile[]): string {
  const sections = [...Map.groupBy(files.filter(isRunning), packageOf)].map(([folder, sources]) => {
    const rows = sources.flatMap((file) => rowsOf(file, folder));
    if (rows.length === 0) return [];
    const head = ['| name | value | what it bounds | in `src/` |', '| --- | --- | --- | --- |'];
    return [`## ${folder}`, '', ...head, ...rows, ''];
  });
  return [
    '# Limits by their names in the code',
    '',
    'What each means for a user is in [limits.md](limits.md) and the READMEs that it lists.',
    '',
    'This page is made from the source by `grid check --fix`.',
    '',
    ...sections.flat(),
  ].join('\n');
}

function rowsOf({ path, text }: SourceFile, folder: string): string[] {
  const file = path.slice(folder.length + '/src/'.length);
  return namedLimitsOf(text).map(
    ({ name, value, meaning }) => `| \`${name}\` | ${value} | ${meaning} | \`${file}\` |`,
  );
}

function packageOf({ path }: SourceFile): string {
  return path.split('/src/')[0] ?? '';
}

/** Tests and their doors bound nothing that runs. */
export function isRunning({ path }: SourceFile): boolean {
  return !path.endsWith('.test.ts') && !path.includes('/testing/');
}

function readableValue(name: string, source: string): string {
  const value = numberOf(source);
  if (Number.isNaN(value)) return `\`${source}\``;
  if (/_?bytes_?/i.test(name)) return formatBytes(value);
  const isTime = /(?:Ms|_MS)(?:_MAX)?$/.test(name);
  if (isTime && value >= 1000) return `${(value / 1000).toLocaleString('en')} s`;
  return `${value.toLocaleString('en')}${isTime ? ' ms' : ''}`;
}

/** Numbers with `-`, `*` and `**`, as limits are written; NaN for anything else. */
function numberOf(source: string): number {
  const [first = Number.NaN, ...others] = source.split(' - ').map((term) =>
    term
      .split(' * ')
      .map((factor) => {
        const [base = '', power = '1'] = factor
          .split(' ** ')
          .map((word) => word.replaceAll('_', ''));
        return Number(base) ** Number(power);
      })
      .reduce((product, factor) => product * factor, 1),
  );
  return others.reduce((rest, term) => rest - term, first);
}
