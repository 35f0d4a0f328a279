import { InvalidArgumentError } from 'commander';

/** Seeds of demos are below this. */
export const seedMax = 1_000_000;

/** @throws InvalidArgumentError */
export function parseSeed(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`give a whole number below ${seedMax}`);
}
