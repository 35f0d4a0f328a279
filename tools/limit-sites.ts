import { dirname, join } from 'node:path/posix';

import { isRunning, namedLimitsOf } from './named-limits.ts';
import type { SourceFile } from './source-files.ts';

/** A place that decides by a named limit: what is done there is done beyond the limit. */
export interface LimitSite {
  /** The limit, as `path: name`. */
  readonly limit: string;
  /** The file with the place. */
  readonly path: string;
  /** Where in its text the part begins that is run beyond the limit. */
  readonly offset: number;
}

/** Ranges of a script and how often each was run, as V8 tells them. */
export interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly CoveredRange[] }[];
}

interface CoveredRange {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

/**
 * All places that compare with a named limit in the condition of an `if`, a `while` or a `?`. A limit
 * that something else keeps (a queue, a schema, `Math.min`) has none.
 */
export function limitSitesOf(files: readonly SourceFile[]): LimitSite[] {
  const running = files.filter(isRunning);
  return running.flatMap((file) =>
    namedLimitsOf(file.text).flatMap(({ name }) => {
      const users = running.filter((other) => other === file || imports(other, file.path, name));
      return users.flatMap((user) =>
        offsetsBeyond(user.text, name).map((offset) => ({
          limit: `${file.path}: ${name}`,
          path: user.path,
          offset,
        })),
      );
    }),
  );
}

/** The limits whose part beyond was run, of a script. */
export function limitsReached(
  sites: readonly LimitSite[],
  path: string,
  { functions }: ScriptCoverage,
): string[] {
  const ranges = functions.flatMap((covered) => covered.ranges);
  return sites
    .filter((site) => site.path === path && countAt(ranges, site.offset) > 0)
    .map(({ limit }) => limit);
}

/** How often the innermost range around an offset was run. */
function countAt(ranges: readonly CoveredRange[], offset: number): number {
  const around = ranges.filter((range) => range.startOffset <= offset && offset < range.endOffset);
  const length = (range: CoveredRange): number => range.endOffset - range.startOffset;
  return around.toSorted((a, b) => length(a) - length(b))[0]?.count ?? 0;
}

function imports({ path, text }: SourceFile, from: string, name: string): boolean {
  const statements = text.matchAll(/^import \{([^}]*)\} from '(\.[^']*)';/gm);
  return [...statements].some(
    ([, names = '', target = '']) =>
      join(dirname(path), target) === from && new RegExp(`\\b${name}\\b`).test(names),
  );
}

function offsetsBeyond(text: string, name: string): number[] {
  return [...text.matchAll(new RegExp(`\\b${name}\\b`, 'g'))]
    .map(({ index }) => offsetBeyond(text, index))
    .filter((offset) => offset !== undefined);
}

function offsetBeyond(text: string, at: number): number | undefined {
  const isUpper = /<=? $/.test(text.slice(0, at));
  const start = Math.max(text.lastIndexOf('if (', at), text.lastIndexOf('while (', at));
  const open = text.indexOf('(', start);
  const end = start < 0 ? -1 : closing(text, open);
  if (end > at) {
    const body = skip(text, end + 1, /[\s{]/);
    // What is within the limit is done first: beyond it is what comes behind that.
    return isUpper ? skip(text, statementEnd(text, skip(text, end + 1, /\s/)), /\s/) : body;
  }
  const choice = /^[^;?,]*?\s\?\s/.exec(text.slice(at, at + 200));
  const isCompared = /[<>]=? \w*$/.test(text.slice(0, at)) || /^\w+ [<>]/.test(text.slice(at));
  if (choice === null || !isCompared) return undefined;
  return isUpper ? undefined : at + choice[0].length;
}

function statementEnd(text: string, from: number): number {
  return text[from] === '{' ? closing(text, from) + 1 : text.indexOf(';', from) + 1;
}

function skip(text: string, from: number, what: RegExp): number {
  let at = from;
  while (at < text.length && what.test(text[at] ?? '')) at += 1;
  return at;
}

/** Where the bracket closes that opens at `from`; -1 when it does not. */
function closing(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    if ('([{'.includes(text[at] ?? '')) depth += 1;
    if (')]}'.includes(text[at] ?? '') && --depth === 0) return at;
  }
  return -1;
}
