import { GridError } from '@commongrid/base';
import type { Request } from '@commongrid/resp';
import type { Replication } from '../../replication/replication.ts';
import { isReplicaId, parseHistory } from '../../replication/replication-state.ts';
import type { CommandDefinition } from '../command.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Session } from '../session.ts';

/** What masters, replicas and those who look after them say to each other. */
export const replicationCommands: readonly CommandDefinition[] = [
  {
    name: 'REPLICATE',
    access: 'open',
    isAdmin: true,
    isApart: true,
    least: 5,
    most: 5,
    summary: 'A replica asks for the log: REPLICATE id log term last-sequence terms.',
    run: (session, request) => guarded(session, replicate, request),
  },
  {
    name: 'REPLCONF',
    access: 'open',
    isAdmin: true,
    isApart: true,
    least: 2,
    most: 2,
    summary: 'REPLCONF ACK sequence: it is on disk. REPLCONF TERM n: there is a later master.',
    run: (session, request) => guarded(session, configure, request),
  },
  {
    name: 'PROMOTE',
    access: 'open',
    isAdmin: true,
    least: 2,
    most: 2,
    summary: 'PROMOTE TERM n: makes this server the master; n is above every term so far.',
    run: promote,
  },
  {
    name: 'REPLICA',
    access: 'open',
    isAdmin: true,
    least: 2,
    most: 2,
    summary: 'REPLICA FORGET id: keeps deletions for this replica no more.',
    run: forget,
  },
];

type Part = (session: Session, request: Request, replication: Replication) => void;

/** What replication refuses it says in its own words. */
function guarded(session: Session, part: Part, request: Request): void {
  const { replication } = session.context;
  if (replication === undefined) return session.refuse(replyTexts.cannotWrite);
  try {
    part(session, request, replication);
  } catch (error) {
    if (!(error instanceof GridError)) throw error;
    session.refuse(error.message);
  }
  return undefined;
}

function replicate(session: Session, request: Request, replication: Replication): void {
  const { connection } = session;
  const id = request.text(1);
  const logId = request.text(2);
  const term = request.integer(3);
  const lastSequence = request.integer(4);
  const history = parseHistory(request.text(5));
  if (!isReplicaId(id) || term === undefined || term < 0) {
    return session.refuse(replyTexts.invalidArguments);
  }
  if (lastSequence === undefined || lastSequence < 0 || history === undefined) {
    return session.refuse(replyTexts.invalidArguments);
  }
  if (connection.reply.protocol !== 3) return session.refuse('REPLICATE needs HELLO 3');
  const claim = { id, logId: logId === '?' ? undefined : logId, term, lastSequence, history };
  const welcome = replication.replicate(connection, claim);
  connection.reply.array(welcome.length);
  for (const text of welcome) connection.reply.bulkText(text);
  return undefined;
}

function configure(session: Session, request: Request, replication: Replication): void {
  const { reply } = session.connection;
  const value = request.integer(2);
  if (value === undefined || value < 0) return session.refuse(replyTexts.invalidArguments);
  if (request.is(1, 'ACK')) {
    replication.replicas.acknowledge(session.connection, value);
    const { pulse } = replication;
    reply.array(pulse.length);
    for (const fact of pulse) reply.integer(fact);
    return undefined;
  }
  if (!request.is(1, 'TERM')) return session.refuse(replyTexts.invalidArguments);
  return reply.integer(replication.hear(value));
}

async function promote(session: Session, request: Request): Promise<void> {
  const { context, connection } = session;
  const term = request.integer(2);
  if (!request.is(1, 'TERM') || term === undefined || term < 1) {
    return session.refuse(replyTexts.invalidArguments);
  }
  try {
    await context.replication?.promote(term);
  } catch (error) {
    if (!(error instanceof GridError)) throw error;
    return session.refuse(error.message);
  }
  return connection.reply.ok();
}

function forget(session: Session, request: Request): void {
  if (!request.is(1, 'FORGET')) return session.refuse(replyTexts.invalidArguments);
  const isKnown = session.context.replication?.replicas.forget(request.text(2)) === true;
  return isKnown ? session.connection.reply.ok() : session.refuse('No such replica');
}
