import { formatBytes, GridError, parseBytes } from '@commongrid/base';
import type { RespClient } from '@commongrid/resp';
import { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { formatTable } from '../../terminal.ts';
import { readSecret, serverCommand, textOf, withServer } from './connection.ts';
import type { ServerOptions } from './connection.ts';
import { parseFields } from './info-fields.ts';

type NewOptions = ServerOptions & {
  readonly maxsize?: string;
  readonly namespacePasswordFile?: string;
};

export function zdbNamespaceCommand(context: CommandContext): Command {
  const list = serverCommand('list', 'List namespaces with what they hold.').action(
    async (options: ServerOptions) => {
      const namespaces = await withServer(context, options, listNamespaces);
      const result = { schema: 'grid.zdb.namespaces.1', namespaces };
      printResult(context, options, result, () => describe(namespaces));
    },
  );
  const create = serverCommand('new', 'Make a namespace.')
    .argument('<name>', 'its name, 1 to 128 bytes')
    .option('--maxsize <size>', 'room that is reserved for it, such as 10GB')
    .option('--namespace-password-file <file>', 'file with the password to open it')
    .action(async (name: string, options: NewOptions) => {
      await withServer(context, options, (client) => createNamespace(client, name, options));
      const result = { schema: 'grid.zdb.namespace-new.1', name };
      printResult(context, options, result, () => `namespace ${name} is made`);
    });
  const set = serverCommand('set', 'Change a property of a namespace.')
    .argument('<name>', 'the namespace')
    .argument('<property>', 'maxsize, password, public, worm, lock, freeze, mode, history, epoch')
    .argument('<value>', 'its value; a password: the file that holds it, or * for none')
    .action(async (name: string, property: string, value: string, options: ServerOptions) => {
      await withServer(context, options, (client) => setProperty(client, name, property, value));
      const result = { schema: 'grid.zdb.namespace-set.1', name, property };
      printResult(context, options, result, () => `${property} of ${name} is set`);
    });
  return new Command('ns')
    .description('Namespaces of a Zero-DB.')
    .addCommand(list)
    .addCommand(create)
    .addCommand(set);
}

type Fields = Readonly<Record<string, string>>;

/** What the server allows in flight at a time by far, and a round trip saved for each hundred. */
const batchSize = 100;

async function listNamespaces(client: RespClient): Promise<Fields[]> {
  const reply = await client.command(['NSLIST']);
  const names = Array.isArray(reply) ? reply.map(textOf).toSorted() : [];
  const namespaces: Fields[] = [];
  for (let start = 0; start < names.length; start += batchSize) {
    const batch = names.slice(start, start + batchSize);
    const replies = await Promise.all(batch.map((name) => client.command(['NSINFO', name])));
    namespaces.push(...replies.map((info) => parseFields(textOf(info))));
  }
  return namespaces;
}

async function createNamespace(
  client: RespClient,
  name: string,
  { maxsize, namespacePasswordFile }: NewOptions,
): Promise<void> {
  // What can fail here fails before the namespace is there.
  const settings: [string, string][] = [];
  if (maxsize !== undefined) settings.push(['maxsize', await valueOf('maxsize', maxsize)]);
  if (namespacePasswordFile !== undefined) {
    settings.push(['password', await valueOf('password', namespacePasswordFile)]);
    settings.push(['public', '0']);
  }
  await client.command(['NSNEW', name]);
  try {
    for (const [property, value] of settings) {
      await client.command(['NSSET', name, property, value]);
    }
  } catch (error) {
    // Without the room or the password that was asked for it must not be there at all.
    await client.command(['NSDEL', name]);
    throw error;
  }
}

async function setProperty(
  client: RespClient,
  name: string,
  property: string,
  value: string,
): Promise<void> {
  await client.command(['NSSET', name, property, await valueOf(property, value)]);
}

/** Sizes may have a unit; a password is never on the command line, where others can read it. */
async function valueOf(property: string, value: string): Promise<string> {
  if (property === 'maxsize') return String(parseBytes(value));
  if (property === 'password' && value !== '*') return readSecret(value);
  if (value === '') {
    throw new GridError<GridErrorCode>('GRID_USAGE', `${property} cannot be empty`, {
      hint: './grid zdb ns set --help',
    });
  }
  return value;
}

function describe(namespaces: readonly Fields[]): string {
  const rows = namespaces.map((fields) => {
    const limit = Number(fields['data_limits_bytes'] ?? 0);
    const marks = ['public', 'worm', 'locked', 'frozen', 'password'];
    return [
      fields['name'] ?? '',
      fields['entries'] ?? '',
      formatBytes(Number(fields['used_bytes'] ?? fields['data_size_bytes'] ?? 0)),
      limit === 0 ? 'no limit' : formatBytes(limit),
      fields['mode'] ?? '',
      marks.filter((mark) => fields[mark] === 'yes').join(' '),
    ];
  });
  return formatTable([['name', 'entries', 'used', 'limit', 'mode', ''], ...rows]);
}
