import { InvalidArgumentError } from 'commander';

import { maxOffset } from '../ports.ts';
import type { PortBase } from '../ports.ts';

/** First of a range of ports, 0 for any. @throws InvalidArgumentError */
export function parsePortBase(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port + maxOffset <= 65_535) return port;
  throw new InvalidArgumentError(`give a port from 0 to ${65_535 - maxOffset}`);
}

/** The same for `up`, which can go back to the usual ports as well. @throws InvalidArgumentError */
export function parseUpPortBase(text: string): PortBase {
  return text === 'usual' ? text : parsePortBase(text);
}
