import type { ClientChange } from '@commongrid/bcdb/client';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable } from '../../terminal.ts';
import { connect, parseHash, serverCommand } from './connection.ts';
import type { ServerOptions } from './connection.ts';
import { formatTime, parseAsOf, parseCount } from './options.ts';
import { openObject, openObjects, putObject, valueText } from './sealed-objects.ts';
import { readValue } from './value-input.ts';

type PutOptions = ServerOptions & { readonly file?: string; readonly prev?: string };
type DelOptions = ServerOptions & { readonly erase?: true; readonly prev?: string };
type GetOptions = ServerOptions & { readonly asOf?: number | string };
type HistoryOptions = ServerOptions & { readonly limit?: number };

/** A command about one object of a type. */
export function objectCommand(name: string, description: string): Command {
  return serverCommand(name, description)
    .argument('<namespace>', 'where it is')
    .argument('<type>', 'its type, such as net.example.contact.1')
    .argument('<id>', 'its id');
}

export function bcdbPutCommand(context: CommandContext): Command {
  return objectCommand('put', 'Make an object, or change it.')
    .argument('[value]', 'JSON; without it --file, or stdin')
    .option('--file <file>', 'file with the value')
    .option('--prev <version>', 'only if this is its newest version', parseHash)
    .action(
      async (
        ns: string,
        url: string,
        obj: string,
        value: string | undefined,
        options: PutOptions,
      ) => {
        const { file, prev } = options;
        const json = await readValue(value, file);
        const connection = await connect(context, options);
        const receipt = await putObject(connection, ns, { url, obj, value: json, prev });
        const result = { schema: 'grid.bcdb.put.1', ns, url, obj, ...receipt };
        printResult(context, options, result, ({ seq }) => `${obj} is record ${seq}`);
      },
    );
}

export function bcdbDelCommand(context: CommandContext): Command {
  return objectCommand('del', 'Delete an object; what it was stays in its history.')
    .option('--erase', 'and drop the payloads of all its versions, for good')
    .option('--prev <version>', 'only if this is its newest version', parseHash)
    .action(async (ns: string, url: string, obj: string, options: DelOptions) => {
      const { erase, prev } = options;
      const { client } = await connect(context, options);
      const op = erase === true ? 'erase' : 'del';
      const receipt = await client.write({ ns, op, url, obj, ...(prev && { prev }) });
      const result = { schema: 'grid.bcdb.del.1', ns, url, obj, op, ...receipt };
      printResult(context, options, result, ({ seq }) => {
        return `${obj} is ${op === 'del' ? 'deleted' : 'erased'} by record ${seq}`;
      });
    });
}

export function bcdbGetCommand(context: CommandContext): Command {
  return objectCommand('get', 'Show an object.')
    .option('--as-of <when>', 'as it was: a sequence, or 2026-03-01T10:00:00Z', parseAsOf)
    .action(async (ns: string, url: string, obj: string, options: GetOptions) => {
      const connection = await connect(context, options);
      const { client, minSeq } = connection;
      const { asOf } = options;
      const stored = await client.get(ns, url, obj, {
        minSeq,
        ...(asOf === undefined ? {} : { asOf }),
      });
      const found = await openObject(connection, ns, stored);
      const result = { schema: 'grid.bcdb.object.1', ns, ...found };
      printResult(context, options, result, ({ value }) =>
        value === undefined ? '' : JSON.stringify(value, undefined, 2),
      );
    });
}

export function bcdbHistoryCommand(context: CommandContext): Command {
  return objectCommand('history', 'List the versions of an object, the newest first.')
    .option('--limit <n>', 'at most so many', parseCount)
    .action(async (ns: string, url: string, obj: string, options: HistoryOptions) => {
      const connection = await connect(context, options);
      const { client, minSeq } = connection;
      const { limit } = options;
      const stored = await client.history(ns, url, obj, {
        minSeq,
        ...(limit === undefined ? {} : { limit }),
      });
      const versions = await openObjects(connection, ns, stored);
      const result = { schema: 'grid.bcdb.history.1', ns, url, obj, versions };
      printResult(context, options, result, () => describeVersions(versions));
    });
}

function describeVersions(versions: readonly ClientChange[]): string {
  if (versions.length === 0) return 'there is no such object, and never was';
  const rows = versions.map((version) => [
    String(version.seq),
    formatTime(version.at),
    version.kind,
    version.author,
    valueText(version),
  ]);
  return formatTable([['record', 'time', '', 'signed by', 'value'], ...rows]);
}
