import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { serverCommand, textOf, withServer } from './connection.ts';
import type { ServerOptions } from './connection.ts';
import { parseFields } from './info-fields.ts';

export function zdbInfoCommand(context: CommandContext): Command {
  return serverCommand('info', 'Show how a Zero-DB is doing.').action(
    async (options: ServerOptions) => {
      const text = await withServer(context, options, async (client) =>
        textOf(await client.command(['INFO'])),
      );
      const result = { schema: 'grid.zdb.info.1', info: parseFields(text) };
      printResult(context, options, result, () => text.trimEnd());
    },
  );
}
