import { anyNumber, describeCommands, readClientName } from '@commongrid/resp';
import type { Request } from '@commongrid/resp';
import type { Command } from '../command.ts';
import { nameInvalid, ReplyError, syntaxError } from '../reply-error.ts';
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

/** A name that a client gives itself. @throws ReplyError */
function nameOf(request: Request, i: number): string {
  const name = readClientName(request, i);
  if (name === undefined) throw nameInvalid();
  return name;
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

function describe({ reply, context: { commands } }: Session, request: Request): void {
  if (describeCommands(reply, request, { commands, flagsOf })) return;
  throw new ReplyError('ERR COMMAND knows COUNT, LIST, INFO and DOCS');
}

function flagsOf({ isWrite }: Command): string[] {
  return [isWrite === true ? 'write' : 'readonly'];
}
