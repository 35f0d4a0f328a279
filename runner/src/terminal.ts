/** Where a command writes: results to stdout, words for people about the work to stderr. */
export interface Terminal {
  /** The result, for a pipe as well as for eyes. */
  readonly print: (text: string) => void;
  /** Progress, warnings and errors. */
  readonly note: (text: string) => void;
  /** True when somebody watches stderr. */
  readonly isWatched: boolean;
  /** False also where a program reads the result. */
  readonly showsProgress: boolean;
  readonly style: Style;
}

export interface Style {
  readonly strong: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly faint: (text: string) => string;
}

/** The terminal of this process. */
export function openTerminal(options: TerminalOptions): Terminal {
  for (const stream of [process.stdout, process.stderr]) {
    // A reader that left (`grid status | head -1`) is no failure.
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  return {
    print: (text) => process.stdout.write(`${text}\n`),
    note: (text) => process.stderr.write(`${withoutProgress()}${plainLines(text)}\n`),
    isWatched: process.stderr.isTTY,
    showsProgress: process.stderr.isTTY && !options.wantsJson,
    style: styleOf(options.allowsColor && process.stdout.isTTY && process.stderr.isTTY),
  };
}

export interface TerminalOptions {
  readonly allowsColor: boolean;
  readonly wantsJson: boolean;
}

/**
 * Shows `text` and the seconds that passed while `work` lasts, once it takes over a second.
 * @param text what is done, or what gives it each second
 */
export async function withProgress<T>(
  terminal: Terminal,
  text: string | (() => string),
  work: Promise<T>,
): Promise<T> {
  if (!terminal.showsProgress) return work;
  const startedMs = performance.now();
  const timer = setInterval(() => {
    const seconds = Math.floor((performance.now() - startedMs) / 1000);
    const now = typeof text === 'string' ? text : text();
    process.stderr.write(`\r${clearLine}${now} ${terminal.style.faint(`${seconds} s`)}`);
    hasProgressLine = true;
  }, 1000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    process.stderr.write(withoutProgress());
  }
}

/** Whether the last line of stderr is one of progress: what is written next stands in its place. */
let hasProgressLine = false;

function withoutProgress(): string {
  if (!hasProgressLine) return '';
  hasProgressLine = false;
  return `\r${clearLine}`;
}

/** `1 bucket`, `2 buckets`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/**
 * Text of others, on one line and with all that it holds: what a terminal obeys or does not show, as `\u001b`
 * or `\u202e`, is written out, so that no name and no message is taken for words of this program.
 */
export function plainText(text: string): string {
  return text.replaceAll(/[\t\n\r\u2028\u2029]+/g, ' ').replaceAll(/[\p{Cc}\p{Cf}]/gu, writtenOut);
}

/** The same for all that is printed for people: its lines, tabs and styles stay. */
export function plainLines(text: string): string {
  // oxlint-disable-next-line no-control-regex -- our own styles are what is kept
  const parts = text.split(/(\r?\n|\t|\u001b\[(?:0|1|2|31|32)m)/);
  return parts.map((part, n) => (n % 2 === 0 ? plainText(part) : part)).join('');
}

/** As JSON escapes it: what is printed as JSON says the same. */
function writtenOut(unseen: string): string {
  const units = Array.from({ length: unseen.length }, (_, n) => unseen.charCodeAt(n));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}

/** Lines of `texts` with columns that line up: no cell goes over a line. */
export function formatTable(texts: readonly (readonly string[])[]): string {
  const rows = texts.map((row) => row.map(plainText));
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .map((line) => line.trimEnd())
    .join('\n');
}

const clearLine = '\u001b[K';

function styleOf(hasColor: boolean): Style {
  const paint = (code: number) => (text: string) =>
    hasColor ? `\u001b[${code}m${text}\u001b[0m` : text;
  return { strong: paint(1), good: paint(32), bad: paint(31), faint: paint(2) };
}
