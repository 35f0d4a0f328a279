import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { GridError } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import type { GridErrorCode } from '../errors.ts';

export function explainCommand(context: CommandContext): Command {
  return resultCommand('explain', 'Say what an error code means and what to do.')
    .argument('<code>', 'a code as errors show it, such as GRID_PORT_UNAVAILABLE')
    .action(async (code: string, options: JsonOption) => {
      const wanted = code.toUpperCase();
      const page = await readFile(join(context.root, 'docs', 'errors.md'), 'utf8');
      const meaning = findMeaning(page, wanted);
      if (meaning === undefined) {
        throw new GridError<GridErrorCode>('GRID_CODE_UNKNOWN', `no error has the code ${wanted}`, {
          hint: 'see docs/errors.md for all of them',
          details: { code: wanted },
        });
      }
      const result = { schema: 'grid.explain.1', code: wanted, meaning };
      printResult(context, options, result, () => `${wanted}: ${meaning}`);
    });
}

/** The row of a code in the table of docs/errors.md: `` | `CODE` | meaning | ``. */
function findMeaning(page: string, code: string): string | undefined {
  const row = page.split('\n').find((line) => line.startsWith(`| \`${code}\` |`));
  return row?.split('|').slice(2, -1).join('|').trim();
}
