import type { ClientFind, ClientPage, ClientRows } from '@commongrid/bcdb/client';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable } from '../../terminal.ts';
import { connect, serverCommand } from './connection.ts';
import type { ServerOptions } from './connection.ts';
import { parseAsOf, parseCount } from './options.ts';
import { openObjects, valueText } from './sealed-objects.ts';
import { addCondition, parseOrder } from './where.ts';

type FindOptions = ServerOptions & {
  readonly where?: NonNullable<ClientFind['where']>;
  readonly order?: NonNullable<ClientFind['orderBy']>;
  readonly limit?: number;
  readonly cursor?: string;
  readonly asOf?: number | string;
  readonly scan?: true;
};

type SearchOptions = ServerOptions & {
  readonly type?: string;
  readonly field?: string;
  readonly limit?: number;
  readonly cursor?: string;
};

export function bcdbFindCommand(context: CommandContext): Command {
  return serverCommand('find', 'List objects of a type that meet conditions.')
    .argument('<namespace>', 'where they are')
    .argument('<type>', 'their type')
    .option('--where <condition>', 'name=value; also != > >= < <= ^= ~=; repeatable', addCondition)
    .option('--order <field>', 'sorted by this field; name:desc for the other way', parseOrder)
    .option('--limit <n>', 'at most so many', parseCount)
    .option('--cursor <text>', 'go on after the page that gave it')
    .option('--as-of <when>', 'as it was: a sequence, or 2026-03-01T10:00:00Z', parseAsOf)
    .option('--scan', 'allow conditions on fields without an index')
    .addHelpText(
      'after',
      '\nConditions: = != > >= < <=, ^= begins with, ~= a list contains. Texts that look like a' +
        '\nnumber go in quotes: --where \'zip="9000"\'',
    )
    .action(async (ns: string, url: string, options: FindOptions) => {
      const connection = await connect(context, options);
      const { client, minSeq } = connection;
      const { where, order, limit, cursor, asOf, scan } = options;
      const page = await client.find(ns, {
        url,
        minSeq,
        ...(where === undefined ? {} : { where }),
        ...(order === undefined ? {} : { orderBy: order }),
        ...(limit === undefined ? {} : { limit }),
        ...(cursor === undefined ? {} : { cursor }),
        ...(asOf === undefined ? {} : { asOf: momentOf(asOf) }),
        ...(scan === undefined ? {} : { scan }),
      });
      const objects = await openObjects(connection, ns, page.objects);
      printPage(context, options, ns, { ...page, objects });
    });
}

export function bcdbSearchCommand(context: CommandContext): Command {
  return serverCommand('search', 'List objects with these words, the best first.')
    .argument('<namespace>', 'where they are')
    .argument('<words>', 'what to look for')
    .option('--type <url>', 'only objects of this type')
    .option('--field <name>', 'only in this field')
    .option('--limit <n>', 'at most so many', parseCount)
    .option('--cursor <text>', 'go on after the page that gave it')
    .action(async (ns: string, text: string, options: SearchOptions) => {
      const { client, minSeq } = await connect(context, options);
      const { type, field, limit, cursor } = options;
      const page = await client.search(ns, {
        text,
        minSeq,
        ...(type === undefined ? {} : { url: type }),
        ...(field === undefined ? {} : { field }),
        ...(limit === undefined ? {} : { limit }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      printPage(context, options, ns, page);
    });
}

export function bcdbSqlCommand(context: CommandContext): Command {
  return serverCommand('sql', 'Run one reading SQL statement over a namespace.')
    .argument('<namespace>', 'whose tables it reads')
    .argument('<statement>', 'SQLite; ? stands for the values that follow')
    .argument('[values...]', 'texts; numbers, true, false and null as JSON')
    .action(async (ns: string, statement: string, values: string[], options: ServerOptions) => {
      const { client, minSeq } = await connect(context, options);
      const rows = await client.sql(ns, statement, values.map(parameterOf), { minSeq });
      const result = { schema: 'grid.bcdb.rows.1', ns, ...rows };
      printResult(context, options, result, describeRows);
    });
}

function printPage(
  context: CommandContext,
  options: ServerOptions,
  ns: string,
  page: ClientPage,
): void {
  const result = { schema: 'grid.bcdb.page.1', ns, ...page };
  printResult(context, options, result, () => describePage(page));
}

function describePage({ objects, cursor }: ClientPage): string {
  if (objects.length === 0) return 'nothing found';
  const lines = formatTable(objects.map((one) => [one.obj, one.url, valueText(one)]));
  return cursor === undefined ? lines : `${lines}\nmore: --cursor ${cursor}`;
}

function describeRows({ columns, rows }: ClientRows): string {
  const cells = rows.map((row) =>
    row.map((cell) => (typeof cell === 'string' ? cell : JSON.stringify(cell))),
  );
  return formatTable([columns, ...cells]);
}

function momentOf(asOf: number | string): NonNullable<ClientFind['asOf']> {
  return typeof asOf === 'number' ? { seq: asOf } : { at: Date.parse(asOf) };
}

function parameterOf(text: string): string | number | boolean | null {
  if (text === 'true' || text === 'false') return text === 'true';
  if (text === 'null') return null;
  return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
}
