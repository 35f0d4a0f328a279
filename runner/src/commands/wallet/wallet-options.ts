import { idPatterns } from '@commongrid/model';
import { InvalidArgumentError } from 'commander';

/** Takes ids of one kind: `contract:…` and the like. */
export function idParser(kind: keyof typeof idPatterns): (text: string) => string {
  const pattern = new RegExp(`^${idPatterns[kind]}$`);
  return (text) => {
    if (pattern.test(text)) return text;
    throw new InvalidArgumentError(`give the id of one: ${kind}:…`);
  };
}

const isAccount = new RegExp(`^(?:${idPatterns.bot}|${idPatterns.account})$`);

/** The account of a bot, or of several. */
export function isAccountId(text: string): boolean {
  return isAccount.test(text);
}

export function parseAccount(text: string): string {
  if (isAccountId(text)) return text;
  throw new InvalidArgumentError('give an id: bot:… or account:…');
}

/** ms since 1970. */
export function parseTime(text: string): number {
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  throw new InvalidArgumentError('give a time such as 2026-03-01T10:00:00Z');
}
