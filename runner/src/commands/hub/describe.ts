import type { HubVersion } from '@commongrid/flist';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { counted, formatTable } from '../../terminal.ts';
import { formatTime } from '../bcdb/options.ts';
import { shortDigest } from '../flist/local-repository.ts';
import { hubSubcommand, readingClient, signingClient } from './hub-client.ts';
import type { HubOptions } from './hub-client.ts';

type DescribeOptions = HubOptions & { readonly label?: Readonly<Record<string, string>> };

export function hubDescribeCommand(context: CommandContext): Command {
  return hubSubcommand('describe', 'Say what a repository is, for those who look through a hub.')
    .argument('<name>', 'USER/NAME')
    .argument('<text>', 'what it is; it takes the place of the former text')
    .option('--label <name=text>', 'a label, may be repeated; all former ones go', parseLabel)
    .action(async (name: string, text: string, options: DescribeOptions) => {
      const { client } = await signingClient(context, options);
      const labels = options.label ?? {};
      const described = await client.describe(name, { description: text, labels });
      const result = { schema: 'grid.hub.describe.1', ...described };
      printResult(context, options, result, () => `${name}: ${described.description}`);
    });
}

export function hubHistoryCommand(context: CommandContext): Command {
  return hubSubcommand('history', 'List what a name says and said, the newest first.')
    .argument('<name>', 'USER/NAME or USER/NAME:TAG')
    .option('--forget', 'forget what it said before, so that those images can go')
    .action(
      async (name: string, options: HubOptions & { readonly forget?: true }): Promise<void> => {
        if (options.forget === true) {
          const { client } = await signingClient(context, options);
          const { forgotten } = await client.forget(name);
          const result = { schema: 'grid.hub.forget.1', name, forgotten };
          const text = `${name} has forgotten ${counted(forgotten, 'image')}`;
          printResult(context, options, result, () => text);
          return;
        }
        const { client } = await readingClient(context, options);
        const versions = await client.history(name);
        const result = { schema: 'grid.hub.history.1', name, versions };
        printResult(context, options, result, () => describeVersions(versions));
      },
    );
}

function describeVersions(versions: readonly HubVersion[]): string {
  return formatTable(
    versions.map(({ digest, link, atMs, key }) => [
      digest === undefined ? `-> ${link ?? ''}` : shortDigest(digest),
      formatTime(atMs),
      key,
    ]),
  );
}

function parseLabel(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('give NAME=TEXT');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
