import { ReplyError } from './reply-error.ts';

/** Longest pattern, characters. */
export const patternLengthMax = 512;

/** Whether a character is one that a part of a pattern stands for. */
type Part = 'any run' | ((sign: string) => boolean);

/**
 * Patterns of SCAN and HSCAN, as in Redis: `*` stands for any text, `?` for one character, `[a-c]`
 * and `[^abc]` for one of some, and a backslash takes the meaning from what follows it.
 */
export class Glob {
  readonly #parts: readonly Part[];

  /** @throws ReplyError when it is too long */
  constructor(pattern: string) {
    if (pattern.length > patternLengthMax) throw new ReplyError('ERR pattern is too long');
    this.#parts = [...partsOf(pattern)];
  }

  /** Takes time in proportion to both lengths at most. */
  matches(text: string): boolean {
    const parts = this.#parts;
    let at = 0;
    let i = 0;
    let runAt = -1;
    let resumeAt = 0;
    while (i < text.length) {
      const part = parts[at];
      if (part === 'any run') {
        runAt = at++;
        resumeAt = i;
      } else if (part?.(text[i] ?? '') === true) {
        at++;
        i++;
      } else if (runAt >= 0) {
        at = runAt + 1;
        i = ++resumeAt;
      } else {
        return false;
      }
    }
    while (parts[at] === 'any run') at++;
    return at === parts.length;
  }
}

function* partsOf(pattern: string): Generator<Part> {
  for (const [text, escaped, set] of pattern.matchAll(partPattern)) {
    if (text === '*') yield 'any run';
    else if (text === '?') yield () => true;
    else if (set !== undefined) yield oneOf(set);
    else yield (sign) => sign === (escaped ?? text);
  }
}

function oneOf(set: string): Part {
  const isNegated = set.startsWith('^');
  const ranges = [...(isNegated ? set.slice(1) : set).matchAll(rangePattern)].map(
    ([, from = '', to = from]) =>
      (from < to ? [from, to] : [to, from]) as readonly [string, string],
  );
  return (sign) => ranges.some(([from, to]) => sign >= from && sign <= to) !== isNegated;
}

const partPattern = /\\(.)|\[([^\]]*)\]|./gs;
const rangePattern = /(.)(?:-(.))?/gs;
