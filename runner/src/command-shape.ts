import { resolve } from 'node:path';

import type { Command } from 'commander';

import { buildProgram } from './cli.ts';
import { readEnvironment } from './environment.ts';
import { openTerminal } from './terminal.ts';

/** A command with its options and verbs, for programs that check documents against it. */
export interface CommandShape {
  readonly name: string;
  /** Long names, such as `--json`. */
  readonly options: readonly string[];
  readonly takesArguments: boolean;
  readonly commands: readonly CommandShape[];
}

/** Loads every command and returns the whole tree. */
export async function commandShape(): Promise<CommandShape> {
  const program = await buildProgram(
    {
      environment: readEnvironment({}, -1),
      terminal: openTerminal({ allowsColor: false, wantsJson: true }),
      root: resolve(import.meta.dirname, '..', '..'),
      exitStatus: 0,
      afterwards: [],
    },
    '*',
  );
  return shapeOf(program);
}

function shapeOf(command: Command): CommandShape {
  return {
    name: command.name(),
    options: command.options.map((option) => option.long ?? option.flags),
    takesArguments: command.registeredArguments.length > 0,
    commands: command.commands.map(shapeOf),
  };
}
