import type { ReplyWriter, Request } from '@commongrid/resp';
import { anyNumber } from '../command.ts';
import type { Command } from '../command.ts';
import { ReplyError, syntaxError } from '../reply-error.ts';
import type { Session } from '../session.ts';

/** What clients ask and tell at the start. */
export const clientCommands: readonly Command[] = [
  {
    name: 'CLIENT',
    least: 1,
    most: anyNumber,
    summary: 'CLIENT ID|INFO|GETNAME|SETNAME|SETINFO|NO-EVICT|NO-TOUCH.',
    run: client,
  },
  {
    name: 'COMMAND',
    least: 0,
    most: anyNumber,
    summary: 'COMMAND [COUNT | LIST | INFO name... | DOCS name...]: describes the commands.',
    run: describe,
  },
  {
    name: 'CONFIG',
    least: 2,
    most: anyNumber,
    summary: 'CONFIG GET NAME...: tells clients how data is kept; nothing can be set.',
    run: configuration,
  },
];

/** What benchmarks and monitors ask for: no snapshots, every write is in the log. */
const settings: Readonly<Record<string, string>> = { save: '', appendonly: 'yes' };

/** Longest name of a client. */
const clientNameBytesMax = 128;

function client(session: Session, request: Request): void {
  const { reply } = session;
  if (request.is(1, 'ID')) reply.integer(session.connection.id);
  else if (request.is(1, 'INFO')) reply.verbatim(clientLine(session));
  else if (request.is(1, 'GETNAME')) {
    if (session.name === '') reply.nil();
    else reply.bulkText(session.name);
  } else if (request.is(1, 'SETNAME') && request.argc === 3) {
    session.name = nameOf(request, 2);
    reply.ok();
  } else if (request.is(1, 'SETINFO') && request.argc === 4) {
    if (!request.is(2, 'LIB-NAME') && !request.is(2, 'LIB-VER')) throw syntaxError();
    nameOf(request, 3);
    reply.ok();
  } else if (request.is(1, 'NO-EVICT') || request.is(1, 'NO-TOUCH')) reply.ok();
  else throw new ReplyError('ERR CLIENT knows ID, INFO, GETNAME, SETNAME and SETINFO');
}

/** A text that does not break a line of CLIENT INFO. */
export function nameOf(request: Request, i: number): string {
  const text = request.lengthOf(i) > clientNameBytesMax ? '\n' : request.latin1(i);
  if (/^[!-~]*$/.test(text)) return text;
  throw new ReplyError('ERR names have up to 128 printable characters and no spaces');
}

function clientLine(session: Session): string {
  const { connection, context, name, lastCommand, sinceMs, who } = session;
  const ageSeconds = Math.floor((context.clock.nowMs() - sinceMs) / 1000);
  return (
    `id=${connection.id} addr=${connection.remote} name=${name} age=${ageSeconds} db=0 ` +
    `cmd=${lastCommand?.name.toLowerCase() ?? 'NULL'} user=${who.key} ` +
    `resp=${connection.reply.protocol}\n`
  );
}

function configuration({ reply }: Session, request: Request): void {
  if (!request.is(1, 'GET')) throw new ReplyError('ERR CONFIG knows GET');
  const wanted = Object.keys(settings).filter((name) => {
    for (let i = 2; i < request.argc; i++) if (request.is(i, name.toUpperCase())) return true;
    return false;
  });
  reply.map(wanted.length);
  for (const name of wanted) {
    reply.bulkText(name);
    reply.bulkText(settings[name] ?? '');
  }
}

function describe({ reply, context }: Session, request: Request): void {
  const { list: all } = context.commands;
  if (request.argc === 1) {
    infoOf(reply, all);
    return;
  }
  if (request.is(1, 'COUNT')) {
    reply.integer(all.length);
    return;
  }
  if (request.is(1, 'LIST')) {
    reply.array(all.length);
    for (const { name } of all) reply.bulkText(name.toLowerCase());
    return;
  }
  const isInfo = request.is(1, 'INFO');
  if (!isInfo && !request.is(1, 'DOCS')) {
    throw new ReplyError('ERR COMMAND knows COUNT, LIST, INFO and DOCS');
  }
  const named: (Command | undefined)[] = [];
  for (let i = 2; i < request.argc; i++) named.push(context.commands.find(request, i));
  if (isInfo) infoOf(reply, request.argc === 2 ? all : named);
  else docsOf(reply, request.argc === 2 ? all : named);
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
  reply.array(10);
  reply.bulkText(command.name.toLowerCase());
  reply.integer(command.least === command.most ? command.least + 1 : -(command.least + 1));
  reply.set(1);
  reply.simple(command.isWrite === true ? 'write' : 'readonly');
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
