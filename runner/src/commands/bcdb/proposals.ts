import { randomBytes } from 'node:crypto';

import type { ClientReceipt } from '@commongrid/bcdb/client';
import type { BcdbErrorCode } from '@commongrid/bcdb';
import { GridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import type { Command } from 'commander';
import { Option } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { formatTable } from '../../terminal.ts';
import { connect, routeOf, selfOf, serverCommand } from './connection.ts';
import type { Connection, ServerOptions } from './connection.ts';
import { objectCommand } from './objects.ts';
import { parseCount } from './options.ts';
import { findPolicy } from './policy.ts';
import type { FoundPolicy } from './policy.ts';
import { isSealed } from './sealed-objects.ts';
import { readValue } from './value-input.ts';

const dayMs = 86_400_000;

type Op = 'put' | 'del' | 'erase';

type ProposeOptions = ServerOptions & {
  readonly file?: string;
  readonly op: Op;
  readonly days: number;
};

type VoteOptions = ServerOptions & { readonly role?: string };
type ListOptions = ServerOptions & { readonly status?: string };

/** A proposal as the log has it. */
interface Proposal {
  readonly id: string;
  readonly status: 'open' | 'effective' | 'rejected' | 'stale' | 'expired';
  readonly author: string;
  readonly version: string;
  readonly seq: number;
  readonly record: {
    readonly op: Op;
    readonly url: string;
    readonly obj: string;
    readonly exp: number;
    readonly value?: JsonValue;
  };
  readonly approvals: readonly { readonly who: string; readonly role: string }[];
  readonly rejections: readonly { readonly who: string; readonly role: string }[];
}

export function bcdbProposeCommand(context: CommandContext): Command {
  const op = new Option('--op <change>', 'what is proposed')
    .choices(['put', 'del', 'erase'])
    .default('put');
  return objectCommand('propose', 'Propose a change that a policy leaves to several people.')
    .argument('[value]', 'JSON; without it --file, or stdin')
    .option('--file <file>', 'file with the value')
    .addOption(op)
    .option('--days <n>', 'how long it stands', parseCount, 7)
    .action(
      async (
        ns: string,
        url: string,
        obj: string,
        value: string | undefined,
        options: ProposeOptions,
      ) => {
        const json = options.op === 'put' ? await readValue(value, options.file) : undefined;
        const connection = await connect(context, options);
        const { id, receipt } = await propose(connection, { ns, url, obj }, json, options);
        const result = { schema: 'grid.bcdb.propose.1', ns, id, ...receipt };
        printResult(context, options, result, () => id);
      },
    );
}

export function bcdbVoteCommand(context: CommandContext, verdict: 'approve' | 'reject'): Command {
  const what = verdict === 'approve' ? 'Agree to a proposal.' : 'Object to a proposal.';
  return serverCommand(verdict, what)
    .argument('<namespace>', 'where it was made')
    .argument('<id>', 'as `propose` and `proposals` show it')
    .option('--role <name>', 'in which role of the policy; default: the one that names you')
    .action(async (ns: string, id: string, options: VoteOptions) => {
      const connection = await connect(context, options);
      const receipt = await vote(connection, ns, id, verdict, options.role);
      const proposal = await readOne(connection, ns, id);
      const result = { schema: 'grid.bcdb.vote.1', ns, ...proposal, ...receipt };
      printResult(context, options, result, () => describeOutcome(proposal));
    });
}

export function bcdbProposalsCommand(context: CommandContext): Command {
  const status = new Option('--status <status>', 'only these').choices([
    'open',
    'effective',
    'rejected',
    'stale',
    'expired',
  ]);
  return serverCommand('proposals', 'List proposals and how they stand, the newest first.')
    .argument('<namespace>', 'where they were made')
    .addOption(status)
    .action(async (ns: string, options: ListOptions) => {
      const { client } = await connect(context, options);
      const query = options.status === undefined ? '' : `?status=${options.status}`;
      const { proposals } = await client.read<{ readonly proposals: readonly Proposal[] }>(
        `${routeOf(ns, 'proposals')}${query}`,
      );
      const result = { schema: 'grid.bcdb.proposals.1', ns, proposals };
      printResult(context, options, result, () => describeList(proposals));
    });
}

async function propose(
  connection: Connection,
  place: { readonly ns: string; readonly url: string; readonly obj: string },
  value: JsonValue | undefined,
  { op, days }: ProposeOptions,
): Promise<{ readonly id: string; readonly receipt: ClientReceipt }> {
  const { client, minSeq } = connection;
  const { ns, url, obj } = place;
  // Ahead of all else: what is proposed must not leave this machine.
  if (op === 'put' && (await isSealed(connection, ns, url))) throw notInTheClear(ns);
  const policy = await findPolicy(client, place, actionOf(op, url), minSeq);
  if (policy === undefined) throw uncovered(place);
  const [newest] = await client.history(ns, url, obj, { limit: 1, minSeq });
  const isTyped = op === 'put' && !url.startsWith('bcdb.');
  const schema = isTyped
    ? (await client.read<{ readonly id: string }>(routeOf(ns, 'schemas', url))).id
    : undefined;
  const { at } = await client.read<{ readonly at: number }>('/v1/log');
  const id = randomBytes(8).toString('hex');
  const receipt = await client.write({
    ns,
    op: 'put',
    url: 'bcdb.proposal.1',
    obj: id,
    value: {
      op,
      url,
      obj,
      ...(newest === undefined ? {} : { prev: newest.version }),
      ...(schema === undefined ? {} : { schema }),
      ...(value === undefined ? {} : { value }),
      policySeq: policy.policySeq,
      exp: at + days * dayMs,
    },
  });
  return { id, receipt };
}

function notInTheClear(ns: string): GridError<BcdbErrorCode> {
  return new GridError(
    'BCDB_NOT_SEALED',
    `${ns} is private, and a proposal says what it proposes`,
    {
      hint: 'deletions can be proposed there, values cannot',
      details: { ns },
    },
  );
}

async function vote(
  connection: Connection,
  ns: string,
  id: string,
  verdict: 'approve' | 'reject',
  role: string | undefined,
): Promise<ClientReceipt> {
  const { client } = connection;
  const { version, record } = await readOne(connection, ns, id);
  return client.write({
    ns,
    op: 'put',
    url: 'bcdb.approval.1',
    obj: randomBytes(8).toString('hex'),
    value: {
      proposal: version,
      role: role ?? (await roleOf(connection, { ns, ...record })),
      verdict,
      exp: record.exp,
    },
  });
}

/** The role in which a policy names whoever acts here. @throws GRID_USAGE when it is not clear */
async function roleOf(
  connection: Connection,
  change: { readonly ns: string; readonly op: Op; readonly url: string; readonly obj: string },
): Promise<string> {
  const { client, minSeq } = connection;
  const action = actionOf(change.op, change.url);
  const lines: FoundPolicy['lines'] =
    (await findPolicy(client, change, action, minSeq))?.lines ?? [];
  const self = await selfOf(connection);
  const own = lines.filter(({ signers }) => signers.includes(self));
  const [line, ...others] = own.length > 0 ? own : lines;
  if (line !== undefined && others.length === 0) return line.role;
  const roles = lines.map((one) => one.role);
  throw new GridError<GridErrorCode>('GRID_USAGE', 'the policy has several roles: in which one?', {
    hint: `add --role, one of ${roles.join(', ')}`,
    details: { roles },
  });
}

function readOne({ client }: Connection, ns: string, id: string): Promise<Proposal> {
  return client.read<Proposal>(routeOf(ns, 'proposals', id));
}

/** Objects that BCDB itself judges by are the business of admins. */
function actionOf(op: Op, url: string): 'write' | 'delete' | 'admin' {
  if (op === 'erase') return 'delete';
  if (url.startsWith('bcdb.')) return 'admin';
  return op === 'del' ? 'delete' : 'write';
}

function describeOutcome({ status, id, approvals, rejections }: Proposal): string {
  const votes = `${approvals.length} for, ${rejections.length} against`;
  return status === 'effective'
    ? `${id} has taken effect (${votes})`
    : `${id} is ${status} (${votes})`;
}

function describeList(proposals: readonly Proposal[]): string {
  if (proposals.length === 0) return 'no proposals';
  const rows = proposals.map(({ id, status, record, approvals, rejections }) => [
    id,
    status,
    `${record.op} ${record.url} ${record.obj}`,
    `${approvals.length} for, ${rejections.length} against`,
    record.value === undefined ? '' : JSON.stringify(record.value),
  ]);
  return formatTable(rows);
}

function uncovered({ ns, url, obj }: { ns: string; url: string; obj: string }): GridError {
  return new GridError('BCDB_PROPOSAL_STALE', `no policy covers ${url} ${obj} in ${ns}`, {
    hint: 'make the change with grid bcdb put, or set a policy first: grid bcdb policy set',
  });
}
