import type { Readers } from '@commongrid/bcdb/client';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { connect, serverCommand } from './connection.ts';
import type { ServerOptions } from './connection.ts';
import { privateNamespace } from './sealed-objects.ts';

type ReadersOptions = ServerOptions & {
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
};

export function bcdbReadersCommand(context: CommandContext): Command {
  return serverCommand('readers', 'Show or change who can open what is in a private namespace.')
    .argument('<name>', 'the namespace')
    .option('--add <keys...>', 'x25519:... as `key show --seal` of the reader shows it', addKey)
    .option('--remove <keys...>', 'as this command lists it', addKey)
    .addHelpText(
      'after',
      '\nEach change makes a new key for what is written from then on. Who is new does not open what' +
        '\nwas written before; who is removed opens nothing more, and keeps what he could open so far.' +
        '\nTo be let in by the server a reader needs rights too: ns grant NAME ed25519:... read',
    )
    .action(async (ns: string, options: ReadersOptions) => {
      const space = await privateNamespace(await connect(context, options), ns);
      const { add, remove } = options;
      const isChange = add !== undefined || remove !== undefined;
      const change = { ...(add && { add }), ...(remove && { remove }) };
      const readers = isChange ? await space.changeReaders(change) : await space.readers();
      const result = { schema: 'grid.bcdb.readers.1', ns, ...readers };
      printResult(context, options, result, () => describe(readers, isChange));
    });
}

function describe({ epoch, readers }: Readers, isChange: boolean): string {
  if (!isChange) return readers.join('\n');
  return [
    ...readers,
    `These open what is written from now on, with key ${epoch}. What was written before stays as it`,
    'was: closed to who is new, open to who was removed.',
  ].join('\n');
}

function addKey(text: string, before: readonly string[] = []): readonly string[] {
  if (/^x25519:[A-Za-z0-9_-]{43}$/.test(text)) return [...before, text];
  throw new InvalidArgumentError(
    'give x25519:..., which `grid bcdb key show --seal` of the reader shows',
  );
}
