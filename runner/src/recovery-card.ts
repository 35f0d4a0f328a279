import { wordsToEntropy } from '@commongrid/crypto';
import { idPatterns } from '@commongrid/model';

import { wordCard } from './word-card.ts';

/** All that has to be kept of a bot to have it again on an empty machine. */
export interface RecoveryCard {
  readonly name: string;
  readonly bot: string;
  /** Hash of the genesis of the log. */
  readonly log: string;
  /** The key that signed its first checkpoints. */
  readonly sequencer: string;
  /** HTTP doors of the database; the first that answers is asked. */
  readonly addresses: readonly string[];
  readonly words: string;
}

const schema = 'grid.bot.card.1';

const lines = {
  name: 'name',
  bot: 'bot',
  log: 'log',
  sequencer: 'sequencer',
  addresses: 'database',
  words: 'words',
} as const;

/** The card as JSON, for programs. */
export function cardJson(card: RecoveryCard): RecoveryCard & { readonly schema: string } {
  return { schema, ...card };
}

/** The card as people keep it: to be printed, or typed in again. */
export function cardText(card: RecoveryCard): string {
  const rows = Object.entries(lines).flatMap(([member, label]) => {
    const value = card[member as keyof RecoveryCard];
    return (typeof value === 'string' ? [value] : value).map((text) => `${label}: ${text}`);
  });
  const frame = wordCard(card.words.split(' '), (word) => word);
  return ['# recovery card of a 3Bot: whoever has it is the bot', ...rows, frame].join('\n');
}

/**
 * Reads a card in either form; the frame with the words is for people alone.
 * @throws TypeError, CRYPTO_WORDS_INVALID
 */
export function readCard(text: string): RecoveryCard {
  const given = text.trimStart().startsWith('{') ? fromJson(text) : fromLines(text);
  const { name = '', bot = '', log = '', sequencer = '', addresses = [], words = '' } = given;
  wordsToEntropy(words);
  requireForm('log', log, /^[A-Za-z0-9_-]{43}$/);
  requireForm('sequencer', sequencer, new RegExp(`^${idPatterns.key}$`));
  requireForm('bot', bot, new RegExp(`^${idPatterns.bot}$`));
  if (addresses.length === 0) throw new TypeError('it names no database');
  return { name, bot, log, sequencer, addresses, words };
}

function fromJson(text: string): Partial<RecoveryCard> {
  const { schema: is, ...card } = JSON.parse(text) as Partial<RecoveryCard> & {
    readonly schema?: unknown;
  };
  if (is !== schema) throw new TypeError('it is of another version');
  return card;
}

function fromLines(text: string): Partial<RecoveryCard> {
  const rows = text.split('\n').map((line) => /^\s*([a-z]+):\s+(\S.*?)\s*$/.exec(line));
  const valuesOf = (label: string): string[] =>
    rows.flatMap((row) => (row?.[1] === label ? [row[2] ?? ''] : []));
  const one = (label: string): string => valuesOf(label)[0] ?? '';
  return {
    name: one(lines.name),
    bot: one(lines.bot),
    log: one(lines.log),
    sequencer: one(lines.sequencer),
    addresses: valuesOf(lines.addresses),
    words: one(lines.words),
  };
}

function requireForm(what: string, text: string, form: RegExp): void {
  if (!form.test(text)) throw new TypeError(`its line ${what} is missing or cut off`);
}
