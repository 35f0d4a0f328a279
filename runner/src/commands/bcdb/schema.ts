import { Command } from 'commander';
import type { JsonValue } from '@commongrid/crypto';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable } from '../../terminal.ts';
import { connect, routeOf, serverCommand } from './connection.ts';
import type { ServerOptions } from './connection.ts';
import { migrateCommand } from './migrate.ts';
import { readJsonFile } from './value-input.ts';

interface SchemaReply {
  readonly url: string;
  /** SHA-256 of the canonical schema: what records name. */
  readonly id: string;
  readonly schema: JsonValue;
}

type TypesOptions = ServerOptions & { readonly file?: string; readonly name?: string };

export function bcdbSchemaCommand(context: CommandContext): Command {
  return new Command('schema')
    .description('Types of the objects in a namespace, as JSON Schema.')
    .addCommand(addCommand(context))
    .addCommand(listCommand(context))
    .addCommand(showCommand(context))
    .addCommand(typesCommand(context))
    .addCommand(migrateCommand(context));
}

function addCommand(context: CommandContext): Command {
  return serverCommand('add', 'Define a type, or a version of it that takes all it took before.')
    .argument('<namespace>', 'where it is used')
    .argument('<type>', 'its name with a version, such as net.example.contact.1')
    .argument('<file>', 'JSON Schema; - for stdin')
    .action(async (ns: string, url: string, file: string, options: ServerOptions) => {
      const schema = await readJsonFile(file);
      const { client } = await connect(context, options);
      const value = { url, schema };
      const put = { ns, op: 'put', url: 'bcdb.schema.1', obj: url, value } as const;
      const receipt = await client.write(put);
      const result = { schema: 'grid.bcdb.schema-add.1', ns, url, ...receipt };
      printResult(context, options, result, () => `${url} is defined in ${ns}`);
    });
}

function listCommand(context: CommandContext): Command {
  return serverCommand('list', 'List the types of a namespace.')
    .argument('<namespace>', 'the namespace')
    .action(async (ns: string, options: ServerOptions) => {
      const { client } = await connect(context, options);
      const { schemas } = await client.read<{
        readonly schemas: readonly { readonly url: string; readonly version: string }[];
      }>(routeOf(ns, 'schemas'));
      const result = { schema: 'grid.bcdb.schemas.1', ns, schemas };
      printResult(context, options, result, () => formatTable(schemas.map(({ url }) => [url])));
    });
}

function showCommand(context: CommandContext): Command {
  return serverCommand('show', 'Show the newest schema of a type.')
    .argument('<namespace>', 'where it is used')
    .argument('<type>', 'its name')
    .action(async (ns: string, url: string, options: ServerOptions) => {
      const found = await readSchema(context, options, ns, url);
      const result = { ns, ...found, document: found.schema, schema: 'grid.bcdb.schema.1' };
      printResult(context, options, result, () => JSON.stringify(found.schema, undefined, 2));
    });
}

function typesCommand(context: CommandContext): Command {
  return serverCommand('types', 'Print the TypeScript type of the objects of a type.')
    .argument('<namespace>', 'where it is used')
    .argument('<type>', 'its name')
    .option('--name <name>', 'what to call it; default: made from the name of the type')
    .action(async (ns: string, url: string, options: TypesOptions) => {
      const { schema } = await readSchema(context, options, ns, url);
      const { parseSchema, typesOf } = await import('@commongrid/bcdb');
      const text = typesOf(parseSchema(schema), options.name ?? typeNameOf(url));
      const result = { schema: 'grid.bcdb.types.1', ns, url, text };
      printResult(context, options, result, () => text.trimEnd());
    });
}

async function readSchema(
  context: CommandContext,
  options: ServerOptions,
  ns: string,
  url: string,
): Promise<SchemaReply> {
  const { client } = await connect(context, options);
  return client.read<SchemaReply>(routeOf(ns, 'schemas', url));
}

/** `net.example.price-list.1` becomes `PriceList`. */
function typeNameOf(url: string): string {
  const words = url.split('.').filter((part) => !/^\d+$/.test(part));
  const name = words.at(-1) ?? url;
  return name.replaceAll(/(?:^|-)([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}
