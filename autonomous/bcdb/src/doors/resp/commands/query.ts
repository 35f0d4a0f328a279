import { GridError } from '@commongrid/base';
import type { ReplyWriter, Request } from '@commongrid/resp';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { BcdbErrorCode } from '../../../errors.ts';
import type { FindQuery, FoundPage } from '../../../projection/find.ts';
import type { ObjectChange } from '../../../projection/object-row.ts';
import { requireFindable, requireLegible } from '../../access/sealed-query.ts';
import type { Command } from '../command.ts';
import type { Session } from '../session.ts';
import { readOptions } from './options.ts';
import { jsonOf, writePayload } from './payload.ts';

/** Questions that Redis has no command for. */
export const queryCommands: readonly Command[] = [
  {
    name: 'BCDB.FIND',
    least: 2,
    most: 2,
    keys: [1, 1, 1],
    summary: 'Answers [cursor, [id, JSON, ...]] by {where, orderBy, limit, cursor, asOf, scan}.',
    async run(session, request) {
      const { ns, url } = session.typeKey(request, 1);
      const query = queryOf(request, 2);
      const { bcdb, objects } = session.context;
      await answerAll(session, ns, url, async () => {
        requireFindable(bcdb, ns, query);
        const page = await objects.find(ns, { ...query, url });
        return () => writePage(session.reply, page);
      });
    },
  },
  {
    name: 'BCDB.SEARCH',
    least: 2,
    most: 4,
    keys: [1, 1, 1],
    summary: 'Answers [id, JSON, ...] of objects with these words: BCDB.SEARCH KEY TEXT [LIMIT N].',
    async run(session, request) {
      const { ns, url } = session.typeKey(request, 1);
      const text = request.text(2);
      const { LIMIT: limit } = readOptions(request, 3, { LIMIT: 'count' });
      const { bcdb, objects } = session.context;
      await answerAll(session, ns, url, async () => {
        requireLegible(bcdb, ns, 'search');
        const page = await objects.search(ns, url, text, limit);
        return () => writeRows(session.reply, page);
      });
    },
  },
  {
    name: 'BCDB.HIST',
    least: 2,
    most: 6,
    keys: [1, 1, 1],
    summary:
      'Answers the versions of an object, newest first: BCDB.HIST KEY ID [BEFORE SEQ] [LIMIT N].',
    run: history,
  },
  {
    name: 'BCDB.PROVE',
    least: 2,
    most: 2,
    keys: [1, 1, 1],
    summary: 'Answers a proof, as JSON, that the newest version of an object is in the log.',
    run: prove,
  },
  {
    name: 'BCDB.CHECKPOINT',
    least: 0,
    most: 0,
    summary: 'Answers the newest head of the log, signed: a C2SP checkpoint.',
    run({ reply, context }) {
      reply.bulkText(context.bcdb.checkpoint());
    },
  },
];

const queryShape = Compile(
  Type.Object(
    {
      where: Type.Optional(Type.Unknown()),
      orderBy: Type.Optional(
        Type.Object(
          {
            field: Type.String(),
            direction: Type.Optional(Type.Union([Type.Literal('asc'), Type.Literal('desc')])),
          },
          { additionalProperties: false },
        ),
      ),
      limit: Type.Optional(Type.Integer()),
      cursor: Type.Optional(Type.String()),
      asOf: Type.Optional(
        Type.Union([
          Type.Object({ seq: Type.Integer() }, { additionalProperties: false }),
          Type.Object({ at: Type.Integer() }, { additionalProperties: false }),
        ]),
      ),
      scan: Type.Optional(Type.Boolean()),
    },
    { additionalProperties: false },
  ),
);

/** The shape is checked here, what `where` says by the projection. */
function queryOf(request: Request, i: number): Omit<FindQuery, 'url'> {
  const query = jsonOf(request, i);
  if (queryShape.Check(query)) return query as Omit<FindQuery, 'url'>;
  const [first] = queryShape.Errors(query);
  throw new GridError<BcdbErrorCode>(
    'BCDB_QUERY_INVALID',
    `the query is wrong at ${first?.instancePath || '/'}: ${first?.message ?? ''}`,
    { details: { path: first?.instancePath } },
  );
}

/** Asks over a whole type; rights may have changed by when there is an answer. */
async function answerAll(
  { context, who, connection }: Session,
  ns: string,
  url: string,
  ask: () => Promise<() => void>,
): Promise<void> {
  const { rights, objects } = context;
  rights.requireReadAll(who, ns, url);
  await objects.caughtUp(connection.signal);
  const write = await ask();
  rights.requireReadAll(who, ns, url);
  write();
}

function writePage(reply: ReplyWriter, page: FoundPage): void {
  reply.array(2);
  if (page.cursor === undefined) reply.nil();
  else reply.bulkText(page.cursor);
  writeRows(reply, page);
}

function writeRows(reply: ReplyWriter, { rows }: FoundPage): void {
  reply.array(rows.length * 2);
  for (const { obj, payload } of rows) {
    reply.bulkText(obj);
    writePayload(reply, payload);
  }
}

async function history(session: Session, request: Request): Promise<void> {
  const { ns, url } = session.typeKey(request, 1);
  const obj = request.latin1(2);
  const options = readOptions(request, 3, { BEFORE: 'count', LIMIT: 'count' });
  const { context, who, connection, reply } = session;
  const { rights, objects } = context;
  rights.requireRead(who, ns, url, obj);
  await objects.caughtUp(connection.signal);
  const changes = await objects.history(ns, url, obj, {
    ...(options.BEFORE === undefined ? {} : { before: options.BEFORE }),
    ...(options.LIMIT === undefined ? {} : { limit: options.LIMIT }),
  });
  rights.requireRead(who, ns, url, obj);
  reply.array(changes.length);
  for (const change of changes) writeChange(reply, change);
}

function writeChange(reply: ReplyWriter, change: ObjectChange): void {
  const { kind, seq, origin, version, author, at, payload } = change;
  reply.map(7);
  for (const [name, value] of Object.entries({ kind, version, author })) {
    reply.bulkText(name);
    reply.bulkText(value);
  }
  for (const [name, value] of Object.entries({ seq, origin, at })) {
    reply.bulkText(name);
    reply.integer(value);
  }
  reply.bulkText('value');
  writePayload(reply, payload);
}

async function prove(session: Session, request: Request): Promise<void> {
  const { ns, url } = session.typeKey(request, 1);
  const obj = request.latin1(2);
  const { context, who, connection, reply } = session;
  const { bcdb, rights, objects } = context;
  rights.requireRead(who, ns, url, obj);
  await objects.caughtUp(connection.signal);
  // Also a deletion is a record that can be shown.
  const [newest] = await objects.history(ns, url, obj, { limit: 1 });
  if (newest === undefined) {
    throw new GridError<BcdbErrorCode>('BCDB_NOT_FOUND', `there is no ${url} ${obj} in ${ns}`);
  }
  const proof = await bcdb.prove(newest.origin);
  rights.requireRead(who, ns, url, obj);
  reply.bulkText(JSON.stringify(proof));
}
