import type { Request } from './request.ts';

/** Longest name of a client, bytes. */
const clientNameBytesMax = 128;

/** A name that does not break a line of CLIENT LIST, in argument `i`; undefined for any other. */
export function readClientName(request: Request, i: number): string | undefined {
  if (request.lengthOf(i) > clientNameBytesMax) return undefined;
  const text = request.latin1(i);
  return /^[!-~]*$/.test(text) ? text : undefined;
}
