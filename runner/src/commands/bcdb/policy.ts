import { GridError, isGridError } from '@commongrid/base';
import type { BcdbClient } from '@commongrid/bcdb/client';
import { Command, InvalidArgumentError, Option } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { connect, selfOf, serverCommand } from './connection.ts';
import type { ServerOptions } from './connection.ts';

const policyUrl = 'bcdb.policy.1';

/** `min` of these keys, bots or circles must approve, in this role. */
export interface PolicyLine {
  readonly role: string;
  readonly signers: readonly string[];
  readonly min: number;
}

type Action = 'write' | 'delete' | 'admin';

type Policy = Readonly<Partial<Record<Action, readonly PolicyLine[]>>>;

/** A policy as it stands in the log. */
export interface FoundPolicy {
  readonly lines: readonly PolicyLine[];
  /** Where the policy was written: what a proposal names. */
  readonly policySeq: number;
}

type ScopeOptions = ServerOptions & { readonly type?: string; readonly id?: string };
type SetOptions = ScopeOptions & {
  readonly line: readonly PolicyLine[];
  readonly for: Action;
};

export function bcdbPolicyCommand(context: CommandContext): Command {
  return new Command('policy')
    .description('Changes that several people have to agree to.')
    .addCommand(setCommand(context))
    .addCommand(showCommand(context))
    .addCommand(clearCommand(context));
}

function scopeCommand(name: string, description: string): Command {
  return serverCommand(name, description)
    .argument('<namespace>', 'the namespace that it covers, unless --type says less')
    .option('--type <url>', 'only objects of this type')
    .option('--id <id>', 'only this object of the type');
}

function setCommand(context: CommandContext): Command {
  const action = new Option('--for <action>', 'what needs it')
    .choices(['write', 'delete', 'admin'])
    .default('write');
  return scopeCommand('set', 'Say who has to approve changes.')
    .requiredOption(
      '--line <role=min:who,who>',
      'so many of these keys, bots or circles have to approve; `me` is you; repeatable',
      addLine,
    )
    .addOption(action)
    .action(async (ns: string, options: SetOptions) => {
      const connection = await connect(context, options);
      const { client, minSeq } = connection;
      const scope = scopeOf(options);
      const before = await policyAt(client, ns, scope, minSeq);
      const self = await selfOf(connection);
      const lines = options.line.map(({ signers, ...line }) => ({
        ...line,
        signers: signers.map((who) => (who === 'me' ? self : who)),
      }));
      const value = JSON.parse(JSON.stringify({ ...before?.policy, [options.for]: lines }));
      const receipt = await client.write({ ns, op: 'put', url: policyUrl, obj: scope, value });
      const result = {
        schema: 'grid.bcdb.policy.1',
        ns,
        scope,
        policy: value as Policy,
        ...receipt,
      };
      printResult(context, options, result, ({ policy }) => describe(policy));
    });
}

function showCommand(context: CommandContext): Command {
  return scopeCommand('show', 'Show the policy of a namespace, a type or an object.').action(
    async (ns: string, options: ScopeOptions) => {
      const { client, minSeq } = await connect(context, options);
      const scope = scopeOf(options);
      const found = await policyAt(client, ns, scope, minSeq);
      if (found === undefined) throw none(ns, scope);
      const result = { schema: 'grid.bcdb.policy.1', ns, scope, ...found };
      printResult(context, options, result, ({ policy }) => describe(policy));
    },
  );
}

function clearCommand(context: CommandContext): Command {
  return scopeCommand(
    'clear',
    'Take a policy away; who has the right may change things alone.',
  ).action(async (ns: string, options: ScopeOptions) => {
    const { client } = await connect(context, options);
    const scope = scopeOf(options);
    const receipt = await client.write({ ns, op: 'del', url: policyUrl, obj: scope });
    const result = { schema: 'grid.bcdb.policy-clear.1', ns, scope, ...receipt };
    printResult(context, options, result, () => 'no policy any more');
  });
}

/** The policy that covers changes of an object: the narrowest one that speaks of them. */
export async function findPolicy(
  client: BcdbClient,
  place: { readonly ns: string; readonly url: string; readonly obj: string },
  action: Action,
  minSeq: number,
): Promise<FoundPolicy | undefined> {
  const { ns, url, obj } = place;
  for (const scope of [`object/${url}/${obj}`, `type/${url}`, 'namespace']) {
    const found = await policyAt(client, ns, scope, minSeq);
    const lines = found?.policy[action];
    if (found !== undefined && lines !== undefined) return { lines, policySeq: found.seq };
  }
  return undefined;
}

async function policyAt(
  client: BcdbClient,
  ns: string,
  scope: string,
  minSeq: number,
): Promise<{ readonly policy: Policy; readonly seq: number } | undefined> {
  try {
    const { value, seq } = await client.get(ns, policyUrl, scope, { minSeq });
    // The database has judged its shape.
    return { policy: value as unknown as Policy, seq };
  } catch (error) {
    if (isGridError(error, 'BCDB_NOT_FOUND')) return undefined;
    throw error;
  }
}

function scopeOf({ type, id }: ScopeOptions): string {
  if (type === undefined && id !== undefined) {
    throw new GridError<GridErrorCode>('GRID_USAGE', '--id needs --type', {
      hint: './grid bcdb policy --help',
    });
  }
  if (type === undefined) return 'namespace';
  return id === undefined ? `type/${type}` : `object/${type}/${id}`;
}

/** Reads `board=2:ed25519:...,bot:...`. */
function addLine(text: string, before: readonly PolicyLine[] = []): readonly PolicyLine[] {
  const [, role, min, who] = /^([\w.-]+)=([1-9]\d{0,2}):(.+)$/.exec(text) ?? [];
  if (role === undefined || who === undefined) {
    throw new InvalidArgumentError('give it as role=2:me,ed25519:...');
  }
  return [...before, { role, min: Number(min), signers: who.split(',') }];
}

function describe(policy: Policy): string {
  return Object.entries(policy)
    .flatMap(([action, lines]) =>
      lines.map(
        ({ role, min, signers }) =>
          `${action}: ${min} of ${signers.length} as ${role}\n${signers.map((one) => `  ${one}`).join('\n')}`,
      ),
    )
    .join('\n');
}

function none(ns: string, scope: string): GridError {
  return new GridError('BCDB_NOT_FOUND', `${ns} has no policy for ${scope}`, {
    hint: './grid bcdb policy set --help',
  });
}
