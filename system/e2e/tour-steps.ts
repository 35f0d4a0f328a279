/** A command of a document, and what it prints there. */
export interface TourStep {
  readonly command: string;
  readonly printed: readonly string[];
}

/** Stands for any number of lines. */
const anyLines = '...';

/** Between what one command prints and what the next one does. */
const border = '-- next step of the tour --';

/** The steps of a block `console`: each line that begins with `$ ` is a command. */
export function stepsOf(block: string): readonly TourStep[] {
  const [, ...parts] = block.trimEnd().split(/^\$ /m);
  return parts.map((part) => {
    const [command = '', ...printed] = part.trimEnd().split('\n');
    return { command, printed };
  });
}

/** A shell script of all steps. It ends at the first one that fails. */
export function scriptOf(steps: readonly TourStep[]): string {
  const lines = steps.flatMap(({ command }) => [command, `echo '${border}'`]);
  return ['exec 2>&1', ...lines].join('\n');
}

/** What each step printed, of all that the script did. */
export function printedBySteps(output: string): readonly (readonly string[])[] {
  const parts = output.split(`${border}\n`).slice(0, -1);
  return parts.map((part) => linesOf(part));
}

function linesOf(text: string): readonly string[] {
  return text.trimEnd() === '' ? [] : text.trimEnd().split('\n');
}

/**
 * Where the output of a document and the true one part; undefined where they are alike. Numbers, times,
 * sizes, ids and the width of columns may differ; a line `...` stands for any number of lines.
 */
export function firstDifference(
  shown: readonly string[],
  printed: readonly string[],
): string | undefined {
  const wanted = shown.map(masked);
  const found = printed.map(masked);
  const reached = matches(wanted, found);
  if (reached === true) return undefined;
  return `expected  ${shown[reached] ?? 'nothing more'}\nin\n${printed.join('\n')}`;
}

/** True, or the first line of `wanted` that no reading of `found` comes beyond. */
function matches(wanted: readonly string[], found: readonly string[]): number | true {
  let furthest = 0;
  const from = (at: number, line: number): boolean => {
    furthest = Math.max(furthest, at);
    if (at === wanted.length) return line === found.length;
    if (wanted[at] !== anyLines) return wanted[at] === found[line] && from(at + 1, line + 1);
    for (let next = line; next <= found.length; next += 1) {
      if (from(at + 1, next)) return true;
    }
    return false;
  };
  return from(0, 0) || furthest;
}

/** A line without what differs from run to run. */
function masked(line: string): string {
  return line
    .replaceAll(/(?<![\w-])[\w-]{43}(?![\w-])/g, '0')
    .replaceAll(/\b[0-9a-f]{8,64}\b/g, '0')
    .replaceAll(/\d+(?:[.,]\d+)*/g, '0')
    .replaceAll(/\b0 ?(?:[KMGT]i)?B\b/g, '0 B')
    .replaceAll(/\b0 ?(?:ms|s|m|min|h)\b/g, '0 s')
    .replaceAll(/\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b/g, 'DAY')
    .replaceAll(/\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b/g, 'MONTH')
    .replaceAll(/\s+/g, ' ')
    .trimEnd();
}
