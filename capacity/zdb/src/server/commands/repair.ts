import { GridError } from '@commongrid/base';
import type { Request } from '@commongrid/resp';
import { encodeLogId } from '../../replication/handshake.ts';
import { encodeRecord } from '../../replication/record-copy.ts';
import { repairStore } from '../../replication/repair-store.ts';
import type { ReplicationSource } from '../../replication/follower.ts';
import type { CommandDefinition } from '../command.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Session } from '../session.ts';

/** Copies of one log help each other out. */
export const repairCommands: readonly CommandDefinition[] = [
  {
    name: 'REPAIR',
    access: 'open',
    isAdmin: true,
    least: 0,
    most: 2,
    summary: 'REPAIR [host port]: replaces damaged records by those of another copy of the log.',
    run: repair,
  },
  {
    name: 'RECORD',
    access: 'open',
    isAdmin: true,
    least: 1,
    most: 2,
    summary: 'RECORD sequence [log]: a record as it is in the log, for the repair of another copy.',
    run: record,
  },
];

/** Answers how many records were repaired. What is damaged a read or SCRUB has found before. */
async function repair(session: Session, request: Request): Promise<void> {
  const { context, store, connection } = session;
  const { diskProblem } = context;
  if (diskProblem !== undefined) return session.refuse(diskProblem);
  const from = sourceOf(session, request);
  if (from === undefined) return session.refuse('Name a copy of this log: REPAIR host port');
  try {
    return connection.reply.integer(await repairStore(store, from));
  } catch (error) {
    if (!(error instanceof GridError)) throw error;
    return session.refuse(error.message);
  }
}

/** The copies of a log share their admin password. */
function sourceOf({ context }: Session, request: Request): ReplicationSource | undefined {
  const known = context.replication?.source;
  if (request.argc === 1) return known;
  const port = request.integer(2);
  if (port === undefined || port < 1 || port > 65535) return undefined;
  const { adminPassword: password, replicaTls: tls } = context.config;
  return { host: request.text(1), port, password, tls };
}

/** Answers nil when the record is not kept; damage is an error, as everywhere. */
async function record(session: Session, request: Request): Promise<void> {
  const { store, connection } = session;
  const sequence = request.integer(1);
  if (sequence === undefined || sequence < 1) return session.refuse(replyTexts.invalidArguments);
  if (request.argc > 2 && request.text(2) !== encodeLogId(store.table.logId)) {
    return session.refuse('This is another log');
  }
  if (sequence > store.log.durableSequence) return connection.reply.nil();
  const found = await store.recordAt(sequence);
  if (found === undefined) return connection.reply.nil();
  return connection.reply.bulkReference(encodeRecord(found));
}
