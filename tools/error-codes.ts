import { dirname } from 'node:path';

import type { SourceFile } from './source-files.ts';

export interface ErrorCode {
  readonly code: string;
  /** When it happens, and what to do. Empty when nobody wrote it down. */
  readonly meaning: string;
}

/** The codes of one `src/errors.ts`: a union of strings, each with a comment behind or above it. */
export function errorCodesOf(text: string): ErrorCode[] {
  const codes: ErrorCode[] = [];
  let above = '';
  for (const line of text.split('\n')) {
    const [, code, behind = ''] =
      /^\s*\|\s*'([A-Z][A-Z0-9_]+)';?\s*;?\s*(?:\/\/\s*(.*))?$/.exec(line) ?? [];
    if (code !== undefined) codes.push({ code, meaning: behind.trim() || above });
    above = code === undefined ? [above, commentOf(line)].join(' ').trim() : '';
    if (commentOf(line) === '') above = '';
  }
  return codes;
}

/** The page docs/errors.md, made of every `src/errors.ts`. */
export function errorPage(files: readonly SourceFile[]): string {
  const parts = files.map(({ path, text }) => {
    const rows = errorCodesOf(text).map(({ code, meaning }) => `| \`${code}\` | ${meaning} |`);
    const folder = dirname(dirname(path));
    return [`## ${folder}`, '', '| code | when: what to do |', '| --- | --- |', ...rows, ''].join(
      '\n',
    );
  });
  return [
    '# Error codes',
    '',
    'Every failure has a code, a sentence and, where there is one, a next step. Codes stay; texts',
    'may change. With `--json` an error is `{schema: "grid.error.1", code, message, hint, retryable,',
    'details}` on stdout. `grid explain CODE` prints a row of this page.',
    '',
    'Exit statuses of `grid`: 0 done, 1 failed, 2 usage, 3 not found, 4 denied, 5 conflict,',
    '6 unreachable, 7 quota, 8 timeout.',
    '',
    'This page is made from the `src/errors.ts` files by `grid check --fix`.',
    '',
    ...parts,
  ].join('\n');
}

function commentOf(line: string): string {
  return /^\s*(?:\/\/|\/\*\*?|\*)\s?(.*?)\s*(?:\*\/)?\s*$/.exec(line)?.[1] ?? '';
}
