import { SigningKey } from '@commongrid/crypto';
import { Command } from 'commander';

import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import { keyText, readKeyFile, writeNewSecret } from '../../key-file.ts';

export function bcdbKeyCommand(context: CommandContext): Command {
  const create = resultCommand('new', 'Make a key in a new file that only you may read.')
    .argument('<file>', 'the file to make')
    .action(async (file: string, options: JsonOption) => {
      const key = SigningKey.generate();
      await writeNewSecret(file, keyText(key));
      const result = { schema: 'grid.bcdb.key.1', file, key: key.publicKey.text };
      printResult(context, options, result, (made) => made.key);
    });
  const show = resultCommand('show', 'Show the public half of a key.')
    .argument('<file>', 'a key file')
    .action(async (file: string, options: JsonOption) => {
      const { publicKey } = await readKeyFile(file);
      const result = { schema: 'grid.bcdb.key.1', file, key: publicKey.text };
      printResult(context, options, result, (read) => read.key);
    });
  return new Command('key')
    .description('Keys to sign with: for people and programs besides the owner.')
    .addCommand(create)
    .addCommand(show);
}
