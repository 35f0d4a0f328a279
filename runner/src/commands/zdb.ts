import { Command } from 'commander';

import type { CommandContext } from '../command-context.ts';

export function zdbCommand(_context: CommandContext): Command {
  return new Command('zdb').description('Zero-DB, the append-only store with a Redis door.');
}
