import { Command } from 'commander';

import type { Environment } from './environment.ts';
import { plainLines } from './terminal.ts';
import type { Terminal } from './terminal.ts';

/** What every command gets from the process that it runs in. */
export interface CommandContext {
  readonly environment: Environment;
  readonly terminal: Terminal;
  /** Folder of the repository. */
  readonly root: string;
  /** Status of a command that does not throw: set to 1 by a result that is bad news. */
  exitStatus: number;
  /** What is to be done once a command is done and has printed its result. */
  readonly afterwards: (() => Promise<void>)[];
}

export interface JsonOption {
  readonly json?: true;
}

/** A command that has a result: each one can print it as JSON. */
export function resultCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--json', 'print the result, or the error, as one JSON object');
}

/** Prints a result: the value itself for programs, or what `describe` makes of it for people. */
export function printResult<T extends { readonly schema: string }>(
  context: CommandContext,
  options: JsonOption,
  value: T,
  describe: (value: T) => string,
): void {
  context.terminal.print(
    options.json === true ? JSON.stringify(value) : plainLines(describe(value)),
  );
}
