import { SigningKey } from '@commongrid/crypto';
import { Command } from 'commander';

import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import { GridHome } from '../../home.ts';
import { keyText, readKeyFile, sealingKeyOf, writeNewSecret } from '../../key-file.ts';

type ShowOptions = JsonOption & { readonly seal?: true };

export function bcdbKeyCommand(context: CommandContext): Command {
  const create = resultCommand('new', 'Make a key in a new file that only you may read.')
    .argument('<file>', 'the file to make')
    .action(async (file: string, options: JsonOption) => {
      const key = SigningKey.generate();
      await writeNewSecret(file, keyText(key));
      printKey(context, options, file, key);
    });
  const show = resultCommand('show', 'Show the public half of a key.')
    .argument('[file]', 'a key file; default: that of the owner of the grid here')
    .option('--seal', 'the half that a private namespace is sealed to: for `ns readers --add`')
    .action(async (file: string | undefined, options: ShowOptions) => {
      const named = file ?? new GridHome(context.environment.home).ownerKeyFile;
      printKey(context, options, named, await readKeyFile(named));
    });
  return new Command('key')
    .description('Keys to sign with: for people and programs besides the owner.')
    .addCommand(create)
    .addCommand(show);
}

/** People copy one line, programs take all: which of the two halves is what `--seal` says. */
function printKey(
  context: CommandContext,
  options: ShowOptions,
  file: string,
  key: SigningKey,
): void {
  const seal = sealingKeyOf(key).publicKey.text;
  const result = { schema: 'grid.bcdb.key.1', file, key: key.publicKey.text, seal };
  printResult(context, options, result, (made) => (options.seal === true ? made.seal : made.key));
}
