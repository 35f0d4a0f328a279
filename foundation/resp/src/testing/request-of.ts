import { Request } from '../request.ts';

/** A request as the parser leaves it. */
export function requestOf(...args: readonly string[]): Request {
  const request = new Request();
  request.bytes = Buffer.from(args.join(''));
  request.argc = args.length;
  let at = 0;
  for (const [i, arg] of args.entries()) {
    const length = Buffer.byteLength(arg);
    request.put(i, at, length);
    at += length;
  }
  return request;
}
