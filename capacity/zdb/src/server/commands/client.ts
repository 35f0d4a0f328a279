import { anyNumber, describeCommands, readClientName } from '@commongrid/resp';
import type { Request } from '@commongrid/resp';
import type { Command, CommandDefinition } from '../command.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Session } from '../session.ts';

/** What client libraries ask and tell at the start: CLIENT and COMMAND. */
export const clientCommands: readonly CommandDefinition[] = [
  {
    name: 'CLIENT',
    access: 'open',
    least: 1,
    most: anyNumber,
    summary: 'CLIENT ID|INFO|LIST|GETNAME|SETNAME|SETINFO|NO-EVICT|NO-TOUCH.',
    run: client,
  },
  {
    name: 'COMMAND',
    access: 'open',
    least: 0,
    most: anyNumber,
    summary: 'COMMAND [COUNT | LIST | INFO name... | DOCS name...]: describes the commands.',
    run: describe,
  },
];

function client(session: Session, request: Request): void {
  const { reply } = session.connection;
  if (request.is(1, 'ID')) reply.integer(session.connection.id);
  else if (request.is(1, 'INFO')) reply.verbatim(clientLine(session));
  else if (request.is(1, 'LIST')) list(session);
  else if (request.is(1, 'GETNAME')) {
    if (session.name === '') reply.nil();
    else reply.bulkText(session.name);
  } else if (request.is(1, 'SETNAME') && request.argc === 3) setName(session, request);
  else if (request.is(1, 'SETINFO') && request.argc === 4) setInfo(session, request);
  else if (request.is(1, 'NO-EVICT') || request.is(1, 'NO-TOUCH')) reply.ok();
  else session.refuse('CLIENT knows ID, INFO, LIST, GETNAME, SETNAME and SETINFO');
}

function list(session: Session): void {
  if (!session.isAdmin) return session.refuse(replyTexts.permissionDenied);
  const all = [...session.context.sessions].map(clientLine);
  return session.connection.reply.verbatim(all.join(''));
}

function setName(session: Session, request: Request): void {
  const name = readClientName(request, 2);
  if (name === undefined) return session.refuse(replyTexts.invalidArgument);
  session.name = name;
  return session.connection.reply.ok();
}

function setInfo(session: Session, request: Request): void {
  const text = readClientName(request, 3);
  if (text === undefined) return session.refuse(replyTexts.invalidArgument);
  if (request.is(2, 'LIB-NAME')) session.libraryName = text;
  else if (request.is(2, 'LIB-VER')) session.libraryVersion = text;
  else return session.refuse(replyTexts.invalidArgument);
  return session.connection.reply.ok();
}

function clientLine(session: Session): string {
  const { connection, context } = session;
  const ageSeconds = Math.floor((context.clock.nowMs() - session.sinceMs) / 1000);
  return (
    `id=${connection.id} addr=${connection.remote} name=${session.name} age=${ageSeconds} ` +
    `db=0 ns=${encodeURIComponent(session.namespace.settings.name)} ` +
    `cmd=${session.lastCommand?.name.toLowerCase() ?? 'NULL'} user=default ` +
    `resp=${connection.reply.protocol} lib-name=${session.libraryName} ` +
    `lib-ver=${session.libraryVersion}\n`
  );
}

function describe(session: Session, request: Request): void {
  const { commands } = session.context;
  if (describeCommands(session.connection.reply, request, { commands, flagsOf })) return;
  session.refuse('COMMAND knows COUNT, LIST, INFO and DOCS');
}

function flagsOf({ access, isAdmin }: Command): string[] {
  const flags = [access === 'write' ? 'write' : 'readonly', 'fast'];
  return isAdmin === true ? [...flags, 'admin'] : flags;
}
