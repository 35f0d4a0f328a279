import { anyNumber } from '@commongrid/resp';
import type { Request } from '@commongrid/resp';
import type { CommandDefinition } from '../command.ts';
import { matchesGlob } from '../glob.ts';
import { serverInfo } from '../info.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Session } from '../session.ts';

/** What concerns the server as a whole. */
export const adminCommands: readonly CommandDefinition[] = [
  {
    name: 'INFO',
    access: 'open',
    least: 0,
    most: anyNumber,
    summary: 'Describes the server.',
    run(session, request) {
      const wanted = new Set<string>();
      for (let i = 1; i < request.argc; i++) wanted.add(request.text(i).toLowerCase());
      session.connection.reply.verbatim(serverInfo(session.context, wanted));
    },
  },
  {
    name: 'CONFIG',
    access: 'open',
    least: 1,
    most: anyNumber,
    summary: 'CONFIG GET pattern...: tells options of the server. They are set at its start.',
    run: config,
  },
  {
    name: 'NSJUMP',
    access: 'open',
    isAdmin: true,
    least: 0,
    most: 0,
    summary: 'Begins a new segment with the next record.',
    run(session) {
      const { store } = session;
      const { diskProblem } = session.context;
      if (diskProblem !== undefined) return session.refuse(diskProblem);
      store.log.rotate();
      store.maintenance.kick();
      return session.connection.reply.ok();
    },
  },
  {
    name: 'INDEX',
    access: 'open',
    isAdmin: true,
    least: 1,
    most: 2,
    summary: 'INDEX DIRTY [RESET]: numbers of the segments that changed since the last reset.',
    run: index,
  },
];

function config(session: Session, request: Request): void {
  if (!request.is(1, 'GET') || request.argc < 3) {
    return session.refuse('Only CONFIG GET is supported: options are set at the start');
  }
  const patterns: string[] = [];
  for (let i = 2; i < request.argc; i++) patterns.push(request.text(i).toLowerCase());
  const options = optionsOf(session).filter(([name]) =>
    patterns.some((pattern) => matchesGlob(pattern, name)),
  );
  const { reply } = session.connection;
  reply.map(options.length);
  for (const [name, value] of options) {
    reply.bulkText(name);
    reply.bulkText(value);
  }
}

/** Options under the names that clients of Redis ask for. */
function optionsOf({ context }: Session): [string, string][] {
  const { config: options } = context;
  const fsync = { always: 'always', everysec: 'everysec', os: 'no' }[options.durability];
  return [
    ['appendfsync', fsync],
    ['appendonly', 'yes'],
    ['databases', '1'],
    ['maxclients', '4096'],
    ['maxmemory', '0'],
    ['maxmemory-policy', 'noeviction'],
    ['proto-max-bulk-len', String(8 * 1024 * 1024)],
    ['save', ''],
    ['timeout', '0'],
  ];
}

function index(session: Session, request: Request): void {
  const { segmentMarks } = session.context;
  const { reply } = session.connection;
  if (!request.is(1, 'DIRTY')) return session.refuse(replyTexts.invalidArguments);
  if (request.argc === 3) {
    if (!request.is(2, 'RESET')) return session.refuse(replyTexts.invalidArguments);
    segmentMarks.reset();
    return reply.ok();
  }
  const changed = segmentMarks.changed();
  reply.array(changed.length);
  for (const id of changed) reply.integer(id);
  return undefined;
}
