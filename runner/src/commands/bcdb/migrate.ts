import { isGridError } from '@commongrid/base';
import type { BcdbClient, ClientObject } from '@commongrid/bcdb/client';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { connect, serverCommand } from './connection.ts';
import type { Connection, ServerOptions } from './connection.ts';
import { ImportWriter } from './import-writer.ts';
import { changeWriter, openObjects } from './sealed-objects.ts';
import { readJsonFile } from './value-input.ts';

/** Objects that are asked for at a time. */
const pageObjects = 500;

/** Fills a new version of a type from the one before it. */
export function migrateCommand(context: CommandContext): Command {
  return serverCommand('migrate', 'Fill a new version of a type with the objects of the former.')
    .argument('<namespace>', 'where both types are')
    .argument('<from>', 'the former type, such as net.example.contact.1')
    .argument('<to>', 'the new one, which has to be defined: net.example.contact.2')
    .argument('<steps>', 'what becomes of each object, as JSON; - for stdin')
    .addHelpText(
      'after',
      '\nObjects that the new type has already stay as they are, so it can be run again.',
    )
    .action(async (ns: string, from: string, to: string, file: string, options: ServerOptions) => {
      const { migrate, parseMigration } = await import('@commongrid/bcdb');
      const steps = parseMigration(await readJsonFile(file));
      const connection = await connect(context, options);
      const { client } = connection;
      const writer = new ImportWriter(await changeWriter(connection, ns));
      let kept = 0;
      for await (const { obj, value } of objectsOf(connection, ns, from)) {
        if (await exists(client, ns, to, obj)) kept++;
        else if (value !== undefined) {
          await writer.write({ url: to, obj, op: 'put', value: migrate(value, steps) });
        }
      }
      await writer.settled();
      const { written } = writer;
      const result = { schema: 'grid.bcdb.migrate.1', ns, from, to, written, kept };
      printResult(context, options, result, () => {
        const rest = kept === 0 ? '' : `; ${kept} were there already`;
        return `${written} objects of ${from} are now ${to}${rest}`;
      });
    });
}

async function* objectsOf(
  connection: Connection,
  ns: string,
  url: string,
): AsyncGenerator<ClientObject> {
  let cursor: string | undefined;
  do {
    const page = await connection.client.find(ns, {
      url,
      limit: pageObjects,
      ...(cursor === undefined ? {} : { cursor }),
    });
    yield* await openObjects(connection, ns, page.objects);
    ({ cursor } = page);
  } while (cursor !== undefined);
}

async function exists(client: BcdbClient, ns: string, url: string, obj: string): Promise<boolean> {
  try {
    await client.get(ns, url, obj);
    return true;
  } catch (error) {
    if (isGridError(error, 'BCDB_NOT_FOUND')) return false;
    throw error;
  }
}
