import { isIP } from 'node:net';

import { parseBytes } from '@commongrid/base';
import { isName } from '@commongrid/model';
import { InvalidArgumentError } from 'commander';

import { isOrigin, originsMax } from '../../node/join-token.ts';

/** Lines of a log: also none. */
export function parseLines(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('give a whole number from 0 on');
}

/** Name of a farm or a node. */
export function parseGridName(text: string): string {
  if (isName(text)) return text;
  throw new InvalidArgumentError('give 3 to 32 of a-z, 0-9 and single dashes between them');
}

/** What begins the names of what a node makes in the kernel. */
export function parsePrefix(text: string): string {
  if (/^[a-z][a-z0-9]{0,2}$/.test(text)) return text;
  throw new InvalidArgumentError('give a letter, and up to two letters or digits');
}

export function parseCountry(text: string): string {
  if (/^[A-Za-z]{2}$/.test(text)) return text.toUpperCase();
  throw new InvalidArgumentError('give the two letters of a country, such as BE');
}

/** An address of a join token, which may have several. */
export function addOrigin(text: string, before: readonly string[] = []): readonly string[] {
  const url = URL.parse(text);
  const isRoot = url?.pathname === '/' && url.search === '';
  if (!isRoot || !isOrigin(url.origin)) {
    throw new InvalidArgumentError('give an address such as http://10.0.0.1:6381');
  }
  if (before.length < originsMax) return [...before, url.origin];
  throw new InvalidArgumentError(`a join token has ${originsMax} of them at most`);
}

/** As many as the record of a node has. */
const addressesMax = 16;

/** An address of the machine, of which a node may have several. */
export function addAddress(text: string, before: readonly string[] = []): readonly string[] {
  if (isIP(text) !== 0 && !text.includes('%') && before.length < addressesMax) {
    return [...before, text];
  }
  throw new InvalidArgumentError(`give an IP address of the machine, ${addressesMax} at most`);
}

/** A text that may be given several times. */
export function addText(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

export function parseSize(text: string): number {
  try {
    return parseBytes(text);
  } catch {
    throw new InvalidArgumentError('give a size such as 100GiB');
  }
}
