import type { Request } from '@commongrid/resp';
import { systemUrls } from '../../../record/system-records.ts';
import type { ProposalStatus } from '../../../state/proposal-rules.ts';
import { requireOwner } from '../../access/read-rights.ts';
import type { Command } from '../command.ts';
import { syntaxError } from '../reply-error.ts';
import type { Session } from '../session.ts';
import { readOptions } from './options.ts';
import { jsonOf } from './payload.ts';

/** Changes that several people have to agree to. Whoever is not the owner sends signed records. */
export const proposalCommands: readonly Command[] = [
  {
    name: 'BCDB.PROPOSE',
    least: 3,
    most: 6,
    isWrite: true,
    keys: [1, 1, 1],
    summary: 'Answers the id of a proposal: BCDB.PROPOSE KEY ID PUT JSON|DEL|ERASE [EXP MS].',
    run: propose,
  },
  voteCommand('BCDB.APPROVE', 'approve'),
  voteCommand('BCDB.REJECT', 'reject'),
  {
    name: 'BCDB.PROPOSALS',
    least: 1,
    most: 3,
    summary: 'Answers proposals as JSON, newest first: BCDB.PROPOSALS NS [STATUS WORD].',
    run: list,
  },
];

const statuses: readonly ProposalStatus[] = ['open', 'effective', 'rejected', 'stale', 'expired'];

async function propose(session: Session, request: Request): Promise<void> {
  const { ns, url } = session.typeKey(request, 1);
  const obj = request.latin1(2);
  const op = (['put', 'del', 'erase'] as const).find((one) => request.is(3, one.toUpperCase()));
  if (op === undefined || (op === 'put' && request.argc < 5)) throw syntaxError();
  requireOwner(session.who);
  const value = op === 'put' ? { value: jsonOf(request, 4) } : {};
  const { EXP: exp } = readOptions(request, op === 'put' ? 5 : 4, { EXP: 'count' });
  const { proposals } = session.context;
  const { id } = await proposals.propose({ ns, op, url, obj, ...value, exp });
  session.reply.bulkText(id);
}

function voteCommand(name: string, verdict: 'approve' | 'reject'): Command {
  return {
    name,
    least: 2,
    most: 4,
    isWrite: true,
    summary: `Votes in the name of the owner, answers how the proposal stands: ${name} NS ID [ROLE ROLE].`,
    async run(session, request) {
      const ns = request.latin1(1);
      const id = request.latin1(2);
      const { ROLE: role } = readOptions(request, 3, { ROLE: 'text' });
      requireOwner(session.who);
      const { proposals } = session.context;
      await proposals.vote({ ns, id, verdict, role });
      session.reply.bulkText(proposals.get(ns, id).status);
    },
  };
}

function list({ context, who, reply }: Session, request: Request): void {
  const ns = request.latin1(1);
  const { STATUS: word } = readOptions(request, 2, { STATUS: 'text' });
  const status = statuses.find((one) => one === word?.toLowerCase());
  if (word !== undefined && status === undefined) throw syntaxError();
  context.rights.requireReadAll(who, ns, systemUrls.proposal);
  const found = context.proposals.list(ns, status);
  reply.array(found.length);
  for (const proposal of found) reply.bulkText(JSON.stringify(proposal));
}
