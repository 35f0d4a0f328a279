import { join, resolve } from 'node:path';

import { GridError, isGridError } from '@commongrid/base';
import { Command, CommanderError } from 'commander';

import manifest from '../package.json' with { type: 'json' };
import type { CommandContext } from './command-context.ts';
import { commandTable } from './command-table.ts';
import { allowsColor, isOnPath, readEnvironment } from './environment.ts';
import type { GridErrorCode } from './errors.ts';
import { exitStatusOf } from './exit-status.ts';
import { openTerminal, plainText } from './terminal.ts';
import type { Terminal } from './terminal.ts';
import { typedHint } from './typed-hint.ts';

/** Folder of the checkout, with the launcher. */
const root = resolve(import.meta.dirname, '..', '..');

/** Runs one command line (without `node` and the script) and returns its exit status. */
export async function runCli(words: readonly string[]): Promise<number> {
  const wantsJson = asksForJson(words);
  const terminal = openTerminal({ allowsColor: allowsColor(process.env), wantsJson });
  let program: Command | undefined;
  try {
    const environment = readEnvironment(process.env, process.getuid?.() ?? -1);
    const context: CommandContext = {
      environment,
      terminal,
      root,
      exitStatus: 0,
      afterwards: [],
    };
    program = await buildProgram(context, firstWord(words));
    await program.parseAsync(words.length === 0 ? ['--help'] : words, { from: 'user' });
    for (const work of context.afterwards) await work();
    return context.exitStatus;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const failure = asGridError(error, commandOf(program, words), terminal);
    return reportError(terminal, failure, wantsJson);
  }
}

/** The commands as commander sees them; only `loaded` (or all, for `*`) with options and verbs. */
export async function buildProgram(context: CommandContext, loaded: string): Promise<Command> {
  const program = new Command('grid')
    .description('Commongrid: one private cloud out of your own Linux machines.')
    .version(`${manifest.version} (Node ${process.versions.node})`)
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', '\nStart with: ./grid up');
  for (const entry of commandTable) {
    const command =
      entry.name === loaded || loaded === '*'
        ? (await entry.load())(context)
        : new Command(entry.name);
    program.addCommand(command.summary(entry.summary));
  }
  applyHouseRules(program, context.terminal);
  return program;
}

/** Every command throws instead of exiting, and leaves error texts to `reportError`. */
function applyHouseRules(command: Command, terminal: Terminal): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => terminal.print(text.trimEnd()),
    writeErr: (text) => terminal.note(text.trimEnd()),
    outputError: () => {},
  });
  for (const child of command.commands) applyHouseRules(child, terminal);
}

function firstWord(words: readonly string[]): string {
  const operands = words.filter((word) => !word.startsWith('-'));
  return (operands[0] === 'help' ? operands[1] : operands[0]) ?? '';
}

/** The longest command that the words name: `grid s3 quota` of `s3 quota photos`. */
function commandOf(program: Command | undefined, words: readonly string[]): string {
  const names = ['grid'];
  let command = program;
  for (const word of words) {
    command = command?.commands.find((child) => child.name() === word);
    if (command === undefined) break;
    names.push(word);
  }
  return names.join(' ');
}

function asksForJson(words: readonly string[]): boolean {
  const end = words.indexOf('--');
  return words.slice(0, end === -1 ? undefined : end).includes('--json');
}

/** People read stderr; a program that asked for JSON finds the same facts on stdout. */
function reportError(terminal: Terminal, error: GridError, json: boolean): number {
  terminal.note(`grid: ${terminal.style.bad(error.code)}: ${plainText(error.message)}`);
  if (error.hint !== undefined) terminal.note(`next: ${plainText(typedHere(error.hint))}`);
  if (json) terminal.print(JSON.stringify(error));
  return exitStatusOf(error.code);
}

/** A checkout is seldom on PATH: there commands are those of its folder. */
function typedHere(hint: string): string {
  return typedHint(hint, isOnPath(process.env, 'grid', join(root, 'grid')));
}

function asGridError(error: unknown, command: string, terminal: Terminal): GridError {
  if (isGridError(error)) return error;
  if (error instanceof CommanderError) return usageError(error, command);
  if (isSystemError(error)) return systemRefused(error);
  const fault = error instanceof Error ? error : new Error(String(error));
  for (const one of partsOf(fault)) terminal.note(one.stack ?? one.message);
  return new GridError<GridErrorCode>('GRID_INTERNAL', fault.message, {
    hint: 'report this with the lines above',
    cause: error,
  });
}

/** An error, and those that it stands for: one while something was closed hides the one before. */
function partsOf(error: Error): readonly Error[] {
  if (!(error instanceof SuppressedError)) return [error];
  const hidden = [error.error, error.suppressed].filter((one) => one instanceof Error);
  return [error, ...hidden.flatMap(partsOf)];
}

/** What the system said about a path or a disk: no fault of grid, and a stack would say nothing more. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) return false;
  return 'path' in error || systemHints.has(String(error.code));
}

function systemRefused(error: NodeJS.ErrnoException): GridError<GridErrorCode> {
  const { code = '', path } = error;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  const named = isFull ? 'GRID_DISK_FULL' : 'GRID_SYSTEM_REFUSED';
  return new GridError(named, `the system refuses: ${error.message}`, {
    hint: systemHints.get(code) ?? 'see whether the path is right, and the disk sound',
    details: { path, reason: code },
    cause: error,
  });
}

const systemHints: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'run it as a user who may, or name another path'],
  ['EPERM', 'run it as a user who may, or name another path'],
  ['EROFS', 'name a path on a disk that can be written'],
  ['ENOSPC', 'make room on that disk'],
  ['EDQUOT', 'make room on that disk'],
  ['EIO', 'see what the system says of that disk: dmesg'],
]);

function usageError(error: CommanderError, command: string): GridError<GridErrorCode> {
  // A noun without a verb has printed its help, and has no sentence of its own.
  const message =
    error.code === 'commander.help'
      ? 'a command is missing'
      : error.message.replace(/^error: /, '').replaceAll('\n', ' ');
  return new GridError('GRID_USAGE', message, { hint: `./${command} --help` });
}
