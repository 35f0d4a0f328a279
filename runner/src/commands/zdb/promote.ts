import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { serverCommand, withServer } from './connection.ts';
import type { ServerOptions } from './connection.ts';

export function zdbPromoteCommand(context: CommandContext): Command {
  return serverCommand('promote', 'Make a replica the master, above every term so far.')
    .argument('<term>', 'its term: larger than any that `grid zdb info` shows', parseTerm)
    .action(async (term: number, options: ServerOptions) => {
      await withServer(context, options, (client) => client.command(['PROMOTE', 'TERM', term]));
      const result = { schema: 'grid.zdb.promote.1', term };
      printResult(context, options, result, () => `it is the master now, in term ${term}`);
    });
}

function parseTerm(text: string): number {
  const term = Number(text);
  if (Number.isSafeInteger(term) && term > 0) return term;
  throw new InvalidArgumentError('give a whole number above 0');
}
