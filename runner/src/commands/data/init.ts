import type { ClientKey } from '@commongrid/s3';
import { GridError, isGridError } from '@commongrid/base';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { connect, routeOf, serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { readJsonFile } from '../bcdb/value-input.ts';
import { askBot } from '../bot/ask-bot.ts';
import { BotFolder } from '../bot/bot-folder.ts';
import { parseBotName } from '../bot/bot-options.ts';
import { askHead } from '../s3/head.ts';

type InitOptions = ServerOptions & {
  readonly namespace?: string;
  readonly s3?: true;
  readonly s3Key?: string;
  readonly bucket?: string;
};

interface Settings {
  readonly namespace: string | null;
  readonly files: { readonly bucket: string } | null;
}

export function dataInitCommand(context: CommandContext): Command {
  return serverCommand('init', 'Give a running bot a place for records, and one for files.')
    .argument('<name>', 'of the bot', parseBotName)
    .option('--namespace <name>', 'in the database; default: bot-NAME')
    .option('--s3', 'files in the S3 of this machine, with a user of its own there')
    .option('--s3-key <file>', 'files in another S3: what `grid s3 keys add --json` printed')
    .option('--bucket <name>', 'for its files; default: bot-NAME')
    .addHelpText(
      'after',
      '\nTo make a namespace takes an admin of the log: who ran `grid up` is one.',
    )
    .action(async (name: string, options: InitOptions) => {
      const folder = BotFolder.named(context.environment.home, name);
      const { id } = await folder.config();
      const namespace = options.namespace ?? `bot-${name}`;
      await makeNamespace(context, options, { name, id, namespace });
      await askBot(folder, 'data.configure', { namespace });
      const key = await keyFor(context, folder, options);
      if (key !== undefined) {
        const { endpoint, region, accessKey, secretKey } = key;
        const bucket = options.bucket ?? `bot-${name}`;
        const files = { endpoint, region, bucket, accessKey, secretKey };
        await askBot(folder, 'data.configure', { files });
        await askBot(folder, 'data.makeBucket', {});
      }
      const settings = (await askBot(folder, 'data.settings', {})) as Settings;
      const bucket = settings.files?.bucket ?? null;
      const result = { schema: 'grid.data.init.1', name, namespace, bucket };
      printResult(context, options, result, () =>
        [
          `records of ${name} are in the namespace ${namespace}`,
          bucket === null ? 'it has no place for files: --s3' : `files in the bucket ${bucket}`,
          `next: grid data define notes grid.note.1 --bot ${name}`,
        ].join('\n'),
      );
    });
}

/** Nothing is done where the bot has it already: a call that was broken off goes on. */
async function makeNamespace(
  context: CommandContext,
  options: InitOptions,
  {
    name,
    id,
    namespace,
  }: { readonly name: string; readonly id: string; readonly namespace: string },
): Promise<void> {
  const self = await connect(context, { bot: name });
  try {
    await self.client.read(routeOf(namespace));
    return;
  } catch (error) {
    if (!isGridError(error) || error.retryable) throw error;
  }
  const { client } = await connect(context, options);
  const value = { grants: [{ to: id, rights: ['admin'] }] };
  try {
    await client.write({
      ns: namespace,
      op: 'put',
      url: 'bcdb.namespace.1',
      obj: 'namespace',
      value,
    });
  } catch (cause) {
    if (!isGridError(cause, 'BCDB_DENIED')) throw cause;
    throw new GridError<GridErrorCode>(
      'GRID_NAMESPACE_EXISTS',
      `you may not make the namespace ${namespace}, or it is of somebody else`,
      {
        hint: 'let an admin of the log do it, or choose another with --namespace',
        details: { namespace },
        cause,
      },
    );
  }
}

/** The key to an S3; undefined where none is asked for, or the bot has one. */
async function keyFor(
  context: CommandContext,
  folder: BotFolder,
  { s3, s3Key }: InitOptions,
): Promise<ClientKey | undefined> {
  if (s3Key !== undefined) return (await readJsonFile(s3Key)) as unknown as ClientKey;
  if (s3 !== true) return undefined;
  const { files } = (await askBot(folder, 'data.settings', {})) as Settings;
  if (files !== null) return undefined;
  const { name } = await folder.config();
  const user = { user: `bot-${name}`, grants: {}, isAdmin: false, makesBuckets: true };
  return askHead<ClientKey>(context, {}, 's3.keys.add', user);
}
