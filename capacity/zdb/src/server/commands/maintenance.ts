import type { Request } from '@commongrid/resp';
import { eraseKey } from '../../engine/upkeep/erasure.ts';
import { KEY_BYTES_MAX } from '../../engine/log/format.ts';
import type { BadRecord } from '../../engine/upkeep/scrubber.ts';
import { keyOfDamaged } from '../damaged-key.ts';
import type { CommandDefinition } from '../command.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Session } from '../session.ts';
import { named } from './namespace.ts';

/** What looks after the data on disk. */
export const maintenanceCommands: readonly CommandDefinition[] = [
  {
    name: 'SCRUB',
    access: 'read',
    least: 1,
    most: 2,
    summary:
      'SCRUB START | STATUS | BAD [cursor]: verifies sealed segments, lists what is damaged.',
    run: scrub,
  },
  {
    name: 'COMPACT',
    access: 'open',
    isAdmin: true,
    least: 0,
    most: 1,
    summary:
      'Wins back all that can be won, everywhere or in a namespace; answers when it is done.',
    run: compact,
  },
  {
    name: 'ERASE',
    access: 'write',
    isAdmin: true,
    least: 1,
    most: 2,
    keys: [1, 1, 1],
    summary: 'Removes a key and its history from every file: ERASE key [LEGAL].',
    run: erase,
  },
];

/** Damaged records in one answer. */
const BAD_PAGE = 100;

function scrub(session: Session, request: Request): void | Promise<void> {
  const { reply } = session.connection;
  const { scrubber } = session.store;
  if (request.is(1, 'BAD')) return listBad(session, request);
  if (request.argc > 2) return session.refuse(replyTexts.unexpectedArguments);
  if (request.is(1, 'STATUS')) return status(session);
  if (!request.is(1, 'START')) return session.refuse(replyTexts.invalidArguments);
  if (!session.isAdmin) return session.refuse(replyTexts.permissionDenied);
  return scrubber.start() ? reply.ok() : session.refuse('A scrub is running');
}

function status(session: Session): void {
  const { reply } = session.connection;
  const now = session.store.scrubber.status;
  const fields: [string, number][] = [
    ['running', now.isRunning ? 1 : 0],
    ['started', Math.floor(now.startedMs / 1000)],
    ['ended', Math.floor(now.endedMs / 1000)],
    ['bytes_done', now.bytesDone],
    ['bytes_total', now.bytesTotal],
    ['records_done', now.recordsDone],
    ['bad', now.badCount],
  ];
  reply.map(fields.length);
  for (const [name, value] of fields) {
    reply.bulkText(name);
    reply.integer(value);
  }
}

/** [cursor or "0", [[namespace, key or nil, :sequence, file, :offset, :found]...]] */
async function listBad(session: Session, request: Request): Promise<void> {
  const { store, connection } = session;
  const after = request.argc > 2 ? request.integer(2) : 0;
  if (after === undefined || after < 0) return session.refuse(replyTexts.invalidCursor);
  const page = store.scrubber.bad(after, BAD_PAGE);
  const shown = page.filter((bad) => session.isAdmin || bad.namespaceId === session.namespace.id);
  const keys = await Promise.all(shown.map((bad) => keyOfDamaged(store, bad)));
  const { reply } = connection;
  reply.array(2);
  reply.bulkText(page.length < BAD_PAGE ? '0' : String(page.at(-1)?.sequence ?? 0));
  reply.array(shown.length);
  shown.forEach((bad, i) => writeBad(session, bad, keys[i]));
  return undefined;
}

function writeBad(session: Session, bad: BadRecord, key: Buffer | undefined): void {
  const { reply } = session.connection;
  reply.array(6);
  reply.bulkText(session.store.namespaces.byId(bad.namespaceId)?.settings.name ?? '');
  if (key === undefined) reply.nil();
  else reply.bulk(key);
  reply.integer(bad.sequence);
  reply.bulkText(bad.path);
  reply.integer(bad.offset);
  reply.integer(Math.floor(bad.foundMs / 1000));
}

async function compact(session: Session, request: Request): Promise<void> {
  const { diskProblem } = session.context;
  if (diskProblem !== undefined) return session.refuse(diskProblem);
  const namespace = request.argc > 1 ? named(session, request) : undefined;
  if (session.hasFailed) return undefined;
  await session.store.maintenance.compactAll(namespace);
  return session.connection.reply.ok();
}

/** Answers how many records are gone. On worm only the law may ask for it, which is logged. */
async function erase(session: Session, request: Request): Promise<void> {
  const { store, namespace, context, connection } = session;
  const length = request.lengthOf(1);
  const isLegal = request.argc > 2 && request.is(2, 'LEGAL');
  if (length === 0 || length > KEY_BYTES_MAX) return session.refuse(replyTexts.invalidKey);
  if (request.argc > 2 && !isLegal) return session.refuse(replyTexts.invalidArguments);
  if (namespace.settings.isWorm && !isLegal) return session.refuse(replyTexts.worm);
  if (isLegal) {
    const facts = { namespace: namespace.settings.name, client: connection.remote };
    context.logger.warn(facts, 'a key is erased as the law asks');
  }
  const erased = await eraseKey(store, namespace, request.copy(1));
  const missing = await context.replication?.replicas.unconfirmed(store.log.durableSequence);
  if (missing === undefined || missing === 0) return connection.reply.integer(erased);
  return session.refuse(`Erased here; ${missing} replicas have not confirmed it yet`);
}
