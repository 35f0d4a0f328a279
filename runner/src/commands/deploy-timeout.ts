import { InvalidArgumentError } from 'commander';

/** How long workloads have to come up, or to end, s, unless somebody says otherwise. */
export const timeoutSecondsDefault = 300;

/** For commander. */
export function parseSeconds(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('give a whole number of seconds');
}
