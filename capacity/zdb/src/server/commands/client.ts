import type { ReplyWriter, Request } from '@commongrid/resp';
import type { Command, CommandDefinition } from '../command.ts';
import { anyNumber } from '../command.ts';
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

/** Longest name of a client. */
const NAME_BYTES_MAX = 128;

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
  const name = nameOf(request, 2);
  if (name === undefined) return session.refuse(replyTexts.invalidArgument);
  session.name = name;
  return session.connection.reply.ok();
}

function setInfo(session: Session, request: Request): void {
  const text = nameOf(request, 3);
  if (text === undefined) return session.refuse(replyTexts.invalidArgument);
  if (request.is(2, 'LIB-NAME')) session.libraryName = text;
  else if (request.is(2, 'LIB-VER')) session.libraryVersion = text;
  else return session.refuse(replyTexts.invalidArgument);
  return session.connection.reply.ok();
}

/** A text that does not break a line of CLIENT LIST; undefined for any other. */
export function nameOf(request: Request, i: number): string | undefined {
  if (request.lengthOf(i) > NAME_BYTES_MAX) return undefined;
  const text = request.latin1(i);
  return /^[!-~]*$/.test(text) ? text : undefined;
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
  const { reply } = session.connection;
  const { list: all } = session.context.commands;
  if (request.argc === 1) return infoOf(reply, all);
  if (request.is(1, 'COUNT')) return reply.integer(all.length);
  if (request.is(1, 'LIST')) {
    reply.array(all.length);
    for (const { name } of all) reply.bulkText(name.toLowerCase());
    return undefined;
  }
  const isInfo = request.is(1, 'INFO');
  if (!isInfo && !request.is(1, 'DOCS')) {
    return session.refuse('COMMAND knows COUNT, LIST, INFO and DOCS');
  }
  const named: (Command | undefined)[] = [];
  for (let i = 2; i < request.argc; i++) named.push(session.context.commands.find(request, i));
  if (isInfo) return infoOf(reply, request.argc === 2 ? all : named);
  return docsOf(reply, request.argc === 2 ? all : named);
}

function infoOf(reply: ReplyWriter, wanted: readonly (Command | undefined)[]): void {
  reply.array(wanted.length);
  for (const command of wanted) {
    if (command === undefined) reply.nilArray();
    else describeOne(reply, command);
  }
}

function describeOne(reply: ReplyWriter, command: Command): void {
  const [first, last, step] = command.keys ?? [0, 0, 0];
  const flags = [command.access === 'write' ? 'write' : 'readonly', 'fast'];
  if (command.isAdmin === true) flags.push('admin');
  reply.array(10);
  reply.bulkText(command.name.toLowerCase());
  reply.integer(command.least === command.most ? command.least + 1 : -(command.least + 1));
  reply.set(flags.length);
  for (const flag of flags) reply.simple(flag);
  reply.integer(first);
  reply.integer(last);
  reply.integer(step);
  reply.set(0);
  reply.array(0);
  reply.array(0);
  reply.array(0);
}

function docsOf(reply: ReplyWriter, wanted: readonly (Command | undefined)[]): void {
  const known = wanted.filter((command) => command !== undefined);
  reply.map(known.length);
  for (const { name, summary } of known) {
    reply.bulkText(name.toLowerCase());
    reply.map(3);
    reply.bulkText('summary');
    reply.bulkText(summary);
    reply.bulkText('since');
    reply.bulkText('1.0.0');
    reply.bulkText('group');
    reply.bulkText('generic');
  }
}
