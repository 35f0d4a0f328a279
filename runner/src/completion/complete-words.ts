import type { Argument, Command, Option } from 'commander';

import { nameKindOf, valueWordOf } from './name-kinds.ts';
import type { NameKind } from './name-kinds.ts';

/** A word that may stand where the cursor is. */
export interface Candidate {
  readonly value: string;
  readonly summary: string;
}

/** What may stand where the cursor is: words that begin as the last one does, or paths of files. */
export type Completion =
  | { readonly kind: 'words'; readonly candidates: readonly Candidate[] }
  | { readonly kind: 'files' };

/** Gives the names of one kind. */
export type NameSource = (kind: NameKind) => Promise<readonly string[]>;

/**
 * Completes the last of the words that stand after `grid`.
 *
 * 1. Words before it lead to a verb; options and their values are passed over. 2. The last word is the
 * value of an option, an option, a verb, or an argument, in that order.
 */
export async function completeWords(
  program: Command,
  words: readonly string[],
  namesOf: NameSource,
): Promise<Completion> {
  const last = words.at(-1) ?? '';
  const { command, asks, argumentCount, isPastOptions } = walk(program, words.slice(0, -1));
  if (asks !== undefined) return valuesOf(asks, '', last, namesOf);
  if (!isPastOptions && last.startsWith('-')) {
    const [, long = '', value] = /^(--[^=]+)=(.*)$/.exec(last) ?? [];
    const option = optionOf(command, long);
    if (value !== undefined && option !== undefined) {
      return valuesOf(option, `${long}=`, value, namesOf);
    }
    return ofWords(optionsOf(command), last);
  }
  if (command.commands.length > 0 && argumentCount === 0) return ofWords(verbsOf(command), last);
  const args = command.registeredArguments;
  const argument = args[argumentCount] ?? (args.at(-1)?.variadic ? args.at(-1) : undefined);
  if (argument === undefined) return ofWords([], last);
  return valuesOf(argument, '', last, namesOf);
}

interface Place {
  readonly command: Command;
  /** The option whose value is next. */
  readonly asks: Option | undefined;
  readonly argumentCount: number;
  /** After `--` nothing is an option. */
  readonly isPastOptions: boolean;
}

function walk(program: Command, words: readonly string[]): Place {
  let command = program;
  let asks: Option | undefined;
  let argumentCount = 0;
  let isPastOptions = false;
  for (const word of words) {
    if (asks !== undefined) {
      asks = undefined;
    } else if (!isPastOptions && word === '--') {
      isPastOptions = true;
    } else if (!isPastOptions && word.startsWith('-')) {
      const option = optionOf(command, word);
      asks = option?.required === true ? option : undefined;
    } else {
      const verb = argumentCount === 0 ? verbOf(command, word) : undefined;
      command = verb ?? command;
      argumentCount += verb === undefined ? 1 : 0;
    }
  }
  return { command, asks, argumentCount, isPastOptions };
}

function verbOf(command: Command, word: string): Command | undefined {
  return command.commands.find((verb) => verb.name() === word || verb.aliases().includes(word));
}

function optionOf(command: Command, word: string): Option | undefined {
  return command.options.find((option) => option.long === word || option.short === word);
}

function optionsOf(command: Command): readonly Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long, description }) => (long ? [{ value: long, summary: description }] : []));
}

function verbsOf(command: Command): readonly Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((verb) => ({ value: verb.name(), summary: verb.summary() || verb.description() }));
}

async function valuesOf(
  taker: Option | Argument,
  before: string,
  last: string,
  namesOf: NameSource,
): Promise<Completion> {
  const kind = nameKindOf(taker);
  const names = taker.argChoices ?? (kind === undefined ? undefined : await namesOf(kind));
  if (names === undefined) {
    return pathWords.has(valueWordOf(taker)) ? { kind: 'files' } : ofWords([], last);
  }
  const candidates = names.map((name) => ({ value: `${before}${name}`, summary: '' }));
  return ofWords(candidates, `${before}${last}`);
}

/** Values that the help calls like that are paths. */
const pathWords: ReadonlySet<string> = new Set([
  'file',
  'files',
  'folder',
  'path',
  'place',
  'from-path',
  'to-path',
  'solution-or-file',
  'export',
  'key-file',
]);

function ofWords(candidates: readonly Candidate[], last: string): Completion {
  return { kind: 'words', candidates: candidates.filter(({ value }) => value.startsWith(last)) };
}
