import type { Request } from '@commongrid/resp';
import { notInteger, syntaxError } from '../reply-error.ts';

/** Options after the fixed arguments of a command: words in upper case, and whether a value follows. */
export type OptionShape = Readonly<Record<string, 'flag' | 'text' | 'count'>>;

export type Options<S extends OptionShape> = {
  readonly [K in keyof S]?: S[K] extends 'flag' ? true : S[K] extends 'count' ? number : string;
};

/**
 * Reads options from argument `i` on. A count is a positive integer.
 * @throws ReplyError
 */
export function readOptions<S extends OptionShape>(
  request: Request,
  i: number,
  shape: S,
): Options<S> {
  const found: Record<string, string | number | true> = {};
  for (let at = i; at < request.argc; at++) {
    const name = Object.keys(shape).find((word) => request.is(at, word));
    if (name === undefined) throw syntaxError();
    if (shape[name] === 'flag') {
      found[name] = true;
      continue;
    }
    at++;
    if (at >= request.argc) throw syntaxError();
    if (shape[name] === 'text') found[name] = request.text(at);
    else {
      const count = request.integer(at);
      if (count === undefined || count < 1) throw notInteger();
      found[name] = count;
    }
  }
  return found as Options<S>;
}
