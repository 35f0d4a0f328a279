/** Patterns of decimals as `decimalPatternOf` writes them, with any numbers of digits. */
export const decimalPattern = new RegExp(
  [
    String.raw`^\^(?:-\?)?\(\?:0\|\[1-9\](?:\[0-9\]|\\d)\{0,\d{1,2}\}\)`,
    String.raw`(?:\(\?:\\\.(?:\[0-9\]|\\d)\{1,\d{1,2}\}\)\?)?\$$`,
  ].join(''),
);

export interface DecimalOptions {
  /** Most digits before the point. Default 30, at most 99. */
  readonly digits?: number;
  /** Most digits after the point; 0 for whole numbers. Default 18, at most 99. */
  readonly scale?: number;
  /** Whether it can be below zero. Default true. */
  readonly isSigned?: boolean;
}

/** The pattern of a decimal: no leading zeros, no plus, no exponent. */
export function decimalPatternOf(options: DecimalOptions = {}): string {
  const { digits = 30, scale = 18, isSigned = true } = options;
  const fraction = scale === 0 ? '' : String.raw`(?:\.[0-9]{1,${scale}})?`;
  return `^${isSigned ? '-?' : ''}(?:0|[1-9][0-9]{0,${digits - 1}})${fraction}$`;
}

/**
 * A text that sorts, byte by byte, as the decimal does by value; equal values have equal keys.
 * Sign (0 below zero, 1 zero, 2 above), count of digits before the point as three digits from 500,
 * then the digits. Below zero each digit is taken from nine and a `~` ends it, so that the larger
 * amount comes first. Undefined when the text is no decimal.
 */
export function decimalKey(text: string): string | undefined {
  const found = /^(-?)(\d{1,99})(?:\.(\d{1,99}))?$/.exec(text);
  if (found === null) return undefined;
  const [, sign = '', whole = '', fraction = ''] = found;
  const all = whole + fraction;
  const zeros = /^0*/.exec(all)?.[0].length ?? 0;
  const digits = all.slice(zeros).replace(/0+$/, '');
  if (digits === '') return '1';
  const key = `${500 + whole.length - zeros}${digits}`;
  if (sign === '') return `2${key}`;
  return `0${key.replaceAll(/\d/gu, (digit) => String(9 - Number(digit)))}~`;
}
