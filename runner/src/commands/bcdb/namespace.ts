import { PrivateNamespace } from '@commongrid/bcdb/client';
import { GridError, isGridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import { Command, InvalidArgumentError } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { formatTable } from '../../terminal.ts';
import { connect, routeOf, selfOf, serverCommand } from './connection.ts';
import { bcdbReadersCommand } from './readers.ts';
import type { Connection, ServerOptions } from './connection.ts';

type Right = 'read' | 'write' | 'delete' | 'admin';

interface Grant {
  readonly to: string;
  readonly rights: readonly Right[];
}

/** What a namespace says of itself. */
interface NamespaceReply {
  readonly ns: string;
  readonly seq: number;
  readonly record: {
    readonly grants: readonly Grant[];
    readonly isPrivate?: boolean;
    readonly validator?: string;
  };
}

type CreateOptions = ServerOptions & { readonly private?: true; readonly validator?: string };

const rightNames: readonly Right[] = ['read', 'write', 'delete', 'admin'];

export function bcdbNamespaceCommand(context: CommandContext): Command {
  return new Command('ns')
    .description('Namespaces of a BCDB, and who may do what in them.')
    .addCommand(listCommand(context))
    .addCommand(createCommand(context))
    .addCommand(showCommand(context))
    .addCommand(grantCommand(context))
    .addCommand(revokeCommand(context))
    .addCommand(bcdbReadersCommand(context));
}

function listCommand(context: CommandContext): Command {
  return serverCommand('list', 'List the namespaces that you may see.').action(
    async (options: ServerOptions) => {
      const { client } = await connect(context, options);
      const { namespaces } = await client.read<{ readonly namespaces: readonly string[] }>(
        '/v1/namespaces',
      );
      const result = { schema: 'grid.bcdb.namespaces.1', namespaces };
      printResult(context, options, result, () => namespaces.join('\n'));
    },
  );
}

function createCommand(context: CommandContext): Command {
  return serverCommand('create', 'Make a namespace of which you are admin.')
    .argument('<name>', 'its name')
    .option('--private', 'only readers open it, not the server: no schema, no index, no search')
    .option('--validator <name>', 'rules that judge each record, such as grid@1')
    .action(async (ns: string, options: CreateOptions) => {
      const connection = await connect(context, options);
      await requireNew(connection, ns);
      const admin = await selfOf(connection);
      if (options.private === true) {
        await createPrivate(context, connection, { ...options, ns, admin });
        return;
      }
      const grants = [{ to: admin, rights: ['admin'] }];
      const receipt = await write(connection, ns, {
        grants,
        ...(options.validator === undefined ? {} : { validator: options.validator }),
      });
      const result = { schema: 'grid.bcdb.namespace-create.1', ns, ...receipt };
      printResult(context, options, result, () => `namespace ${ns} is made`);
    });
}

/** Making a namespace that is there would take all others' rights in it. */
async function requireNew(connection: Connection, ns: string): Promise<void> {
  try {
    await read(connection, ns);
  } catch (error) {
    // Whoever may not see it has no right to change it either.
    if (isGridError(error)) return;
    throw error;
  }
  throw new GridError<GridErrorCode>(
    'GRID_NAMESPACE_EXISTS',
    `there is a namespace ${ns} already`,
    {
      hint: `see it with grid bcdb ns show ${ns}, or choose another name`,
      details: { ns },
    },
  );
}

async function createPrivate(
  context: CommandContext,
  { client, sealingKey }: Connection,
  options: CreateOptions & { readonly ns: string; readonly admin: string },
): Promise<void> {
  const { ns, admin, validator } = options;
  if (validator !== undefined) {
    throw new GridError<GridErrorCode>('GRID_USAGE', 'no rules can judge what is sealed', {
      hint: 'name --private or --validator, not both',
    });
  }
  const space = await PrivateNamespace.create({ client, ns, admin, key: await sealingKey() });
  const { epoch, readers } = await space.readers();
  const result = { schema: 'grid.bcdb.namespace-create.1', ns, isPrivate: true, epoch, readers };
  printResult(context, options, result, () =>
    [
      `namespace ${ns} is made, and private: you alone open it, as ${readers.join(', ')}`,
      `others too: ./grid bcdb ns readers ${ns} --add KEY (theirs: grid bcdb key show --seal)`,
    ].join('\n'),
  );
}

function showCommand(context: CommandContext): Command {
  return serverCommand('show', 'Show who may do what in a namespace.')
    .argument('<name>', 'the namespace')
    .action(async (ns: string, options: ServerOptions) => {
      const { record, seq } = await read(await connect(context, options), ns);
      const result = { schema: 'grid.bcdb.namespace.1', ns, seq, ...record };
      printResult(context, options, result, () => describe(record));
    });
}

function grantCommand(context: CommandContext): Command {
  return serverCommand('grant', 'Give somebody rights in a whole namespace.')
    .argument('<name>', 'the namespace')
    .argument('<who>', 'ed25519:..., bot:..., circle:NAME, or anyone')
    .argument('<rights...>', rightNames.join(', '), addRight)
    .action(async (ns: string, who: string, rights: readonly Right[], options: ServerOptions) => {
      await changeGrants(context, options, ns, (grants) => [
        ...grants.filter(({ to }) => to !== who),
        { to: who, rights },
      ]);
    });
}

function revokeCommand(context: CommandContext): Command {
  return serverCommand('revoke', 'Take all rights in a whole namespace from somebody.')
    .argument('<name>', 'the namespace')
    .argument('<who>', 'as `ns show` names him')
    .action(async (ns: string, who: string, options: ServerOptions) => {
      await changeGrants(context, options, ns, (grants) => {
        if (grants.some(({ to }) => to === who)) return grants.filter(({ to }) => to !== who);
        throw new GridError<GridErrorCode>('GRID_USAGE', `${who} has no rights in ${ns}`, {
          hint: `./grid bcdb ns show ${ns}`,
        });
      });
    });
}

async function changeGrants(
  context: CommandContext,
  options: ServerOptions,
  ns: string,
  change: (grants: readonly Grant[]) => readonly Grant[],
): Promise<void> {
  const connection = await connect(context, options);
  const { record } = await read(connection, ns);
  const grants = change(record.grants).map(({ to, rights }) => ({ to, rights: [...rights] }));
  const receipt = await write(connection, ns, { ...record, grants });
  const result = { schema: 'grid.bcdb.namespace.1', ns, ...record, grants, ...receipt };
  printResult(context, options, result, () => describe({ ...record, grants }));
}

function read({ client }: Connection, ns: string): Promise<NamespaceReply> {
  return client.read<NamespaceReply>(routeOf(ns));
}

function write({ client }: Connection, ns: string, value: JsonValue) {
  return client.write({ ns, op: 'put', url: 'bcdb.namespace.1', obj: 'namespace', value });
}

function describe({ grants, validator, isPrivate }: NamespaceReply['record']): string {
  const rows = grants.map(({ to, rights }) => [to, rights.join(', ')]);
  return [
    formatTable([['who', 'rights'], ...rows]),
    ...(validator === undefined ? [] : [`rules: ${validator}`]),
    ...(isPrivate === true ? ['private: `ns readers` shows who can open it'] : []),
  ].join('\n');
}

function addRight(text: string, before?: readonly Right[]): readonly Right[] {
  const right = rightNames.find((one) => one === text);
  if (right === undefined) {
    throw new InvalidArgumentError(`give one or more of ${rightNames.join(', ')}`);
  }
  return [...(before ?? []), right];
}
