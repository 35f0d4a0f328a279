/**
 * Whether a pattern can be given to a backtracking matcher by strangers. Allowed are literals,
 * escapes, classes, `.`, groups `(?:…|…)` and `(…)`, and the quantifiers `? * + {n} {n,} {n,m}`;
 * the whole is anchored with `^` and `$`. No look-around, no reference, no lazy or nested unbounded
 * quantifier.
 *
 * Cost is bounded on paper: `ways` is in how many ways a part can be tried at one place of the
 * text, `steps` what trying them all costs. An atom has one of each. For A followed by B the steps
 * are A's, and B's once for each way of A; ways multiply. Alternatives add. A repetition is itself in
 * sequence, up to its maximum, or to the longest text when it has none. The sum bounds the work of
 * a matcher on any text, and is compared with `patternStepsMax`.
 */
export function patternProblem(pattern: string, textLengthMax: number): string | undefined {
  if (pattern.length > patternLengthMax) return `a pattern is longer than ${patternLengthMax}`;
  if (!pattern.startsWith('^') || !pattern.endsWith('$')) {
    return 'a pattern must begin with ^ and end with $';
  }
  const reader = new PatternReader(pattern.slice(1, -1), textLengthMax);
  const cost = reader.read();
  if (cost === undefined) return `a pattern may not hold what stands at ${reader.position + 1}`;
  if (cost.atoms > patternAtomsMax)
    return `a pattern stands for more than ${patternAtomsMax} signs`;
  if (!(cost.steps + cost.ways <= patternStepsMax)) {
    return 'a pattern could take too long: bound its repetitions, or give maxLength';
  }
  try {
    RegExp(pattern, 'u');
  } catch {
    return 'this is no pattern';
  }
  return undefined;
}

/** Longest pattern, characters. */
const patternLengthMax = 512;

/** Most steps that matching one text may take in the worst case: some tens of milliseconds. */
const patternStepsMax = 1 << 24;

/** Most characters that a pattern stands for when its bounded repetitions are written out. */
const patternAtomsMax = 4096;

/** Deepest nesting of groups. */
const groupDepthMax = 8;

interface Cost {
  readonly ways: number;
  readonly steps: number;
  /** What an engine that unrolls bounded repetitions has to build. */
  readonly atoms: number;
}

const atomCost: Cost = { ways: 1, steps: 1, atoms: 1 };

class PatternReader {
  position = 0;
  readonly #text: string;
  readonly #textLengthMax: number;
  #depth = 0;

  constructor(text: string, textLengthMax: number) {
    this.#text = text;
    this.#textLengthMax = textLengthMax;
  }

  /** Cost of the whole pattern; undefined when something in it is not allowed, at `position`. */
  read(): Cost | undefined {
    const cost = this.#alternatives();
    return this.position === this.#text.length ? cost : undefined;
  }

  #alternatives(): Cost | undefined {
    let sum: Cost = { ways: 0, steps: 0, atoms: 0 };
    do {
      const cost = this.#sequence();
      if (cost === undefined) return undefined;
      sum = {
        ways: sum.ways + cost.ways,
        steps: sum.steps + cost.steps,
        atoms: sum.atoms + cost.atoms,
      };
      // Only in a group: an anchor binds closer than a bar, `^a|b$` is open on both sides.
    } while (this.#depth > 0 && this.#take('|'));
    return sum;
  }

  #sequence(): Cost | undefined {
    let product: Cost = { ways: 1, steps: 0, atoms: 0 };
    while (this.position < this.#text.length && !'|)'.includes(this.#peek())) {
      const atom = this.#atom();
      const cost = atom && this.#repeated(atom);
      if (cost === undefined) return undefined;
      product = {
        ways: product.ways * cost.ways,
        steps: product.steps + product.ways * cost.steps,
        atoms: product.atoms + cost.atoms,
      };
    }
    return product;
  }

  #atom(): Cost | undefined {
    if (this.#take('(')) return this.#group();
    const escape = /^(?:\\[dDsSwW]|\\[\^$\\.*+?()[\]{}|/-])/;
    const charClass = /^\[\^?(?:[^\]\\[]|\\[dDsSwW^$\\.*+?()[\]{}|/-])+\]/;
    const plain = /^[^\\^$.*+?()[\]{}|]|^\./u;
    for (const form of [escape, charClass, plain]) {
      const found = form.exec(this.#text.slice(this.position))?.[0];
      if (found === undefined) continue;
      this.position += found.length;
      return atomCost;
    }
    return undefined;
  }

  #group(): Cost | undefined {
    if (this.#peek() === '?' && !this.#take('?:')) return undefined;
    if (++this.#depth > groupDepthMax) return undefined;
    const cost = this.#alternatives();
    this.#depth--;
    return this.#take(')') ? cost : undefined;
  }

  #repeated(atom: Cost): Cost | undefined {
    const found = /^(?:[?*+]|\{(\d{1,4})(,(\d{0,4}))?\})/.exec(this.#text.slice(this.position));
    if (found === null) return atom;
    this.position += found[0].length;
    // A second sign would make it lazy, or repeat a repetition.
    if ('?*+{'.includes(this.#peek() || ' ')) return undefined;
    const [min, max] = this.#bounds(found);
    return {
      ways: powerSum(atom.ways, min, max),
      steps: max === 0 ? 0 : atom.steps * powerSum(atom.ways, 0, max - 1),
      atoms: atom.atoms * (max === this.#textLengthMax ? min + 1 : max),
    };
  }

  #bounds([sign = '', low, range, high]: RegExpExecArray): [number, number] {
    if (sign === '?') return [0, 1];
    if (low === undefined) return [0, this.#textLengthMax];
    const min = Number(low);
    if (range === undefined) return [min, min];
    return [min, high === '' || high === undefined ? this.#textLengthMax : Number(high)];
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.position)) return false;
    this.position += text.length;
    return true;
  }

  #peek(): string {
    return this.#text.charAt(this.position);
  }
}

/** base^from + … + base^to */
function powerSum(base: number, from: number, to: number): number {
  if (base === 1) return to - from + 1;
  return (base ** (to + 1) - base ** from) / (base - 1);
}
