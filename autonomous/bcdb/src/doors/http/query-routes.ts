import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { FindQuery } from '../../projection/find.ts';
import type { FieldValue, Where } from '../../projection/find-query.ts';
import type { AsOf } from '../../projection/namespace-reader.ts';
import type { SqlResult } from '../../projection/sql-guard.ts';
import { sqlLengthMax, sqlParametersMax } from '../../projection/sql-guard.ts';
import { toBase64url } from '../../tree/base64.ts';
import { requireFindable, requireLegible } from '../access/sealed-query.ts';
import type { DoorContext } from './door-context.ts';
import { pageReply, pageText } from './object-shapes.ts';
import { waitForSeq } from './read-your-writes.ts';
import { route } from './route.ts';
import type { Route } from './route.ts';
import { json, minSeq, nsParams, sequence, time, typeUrl } from './shapes.ts';

/** Objects of one page. */
const limit = Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 }));
const cursor = Type.Optional(Type.String({ maxLength: 16_384 }));
const closed = { additionalProperties: false } as const;

/** The projection judges it: it knows the fields of the type. */
const where = Type.Unsafe<Where>({ type: 'object' });

const findBody = Type.Object(
  {
    url: typeUrl,
    where: Type.Optional(where),
    orderBy: Type.Optional(
      Type.Object(
        {
          field: Type.String({ maxLength: 256 }),
          direction: Type.Optional(
            Type.Unsafe<'asc' | 'desc'>({ type: 'string', enum: ['asc', 'desc'] }),
          ),
        },
        closed,
      ),
    ),
    limit,
    cursor,
    asOf: Type.Optional(
      Type.Unsafe<AsOf>(
        Type.Union([Type.Object({ seq: sequence }, closed), Type.Object({ at: time }, closed)]),
      ),
    ),
    scan: Type.Optional(Type.Boolean()),
    minSeq,
  },
  closed,
);

const searchBody = Type.Object(
  {
    text: Type.String({ maxLength: 4096 }),
    url: Type.Optional(typeUrl),
    field: Type.Optional(Type.String({ maxLength: 256 })),
    limit,
    cursor,
    minSeq,
  },
  closed,
);

const sqlBody = Type.Object(
  {
    sql: Type.String({ minLength: 1, maxLength: sqlLengthMax }),
    parameters: Type.Optional(
      Type.Array(Type.Unsafe<FieldValue>({ type: ['string', 'number', 'boolean', 'null'] }), {
        maxItems: sqlParametersMax,
      }),
    ),
    minSeq,
  },
  closed,
);

/** Questions over many objects. Who asks must have the right to read all of them. */
export function queryRoutes(context: DoorContext): readonly Route[] {
  return [findRoute(context), countRoute(context), searchRoute(context), sqlRoute(context)];
}

function findRoute(context: DoorContext): Route {
  return route({
    method: 'POST',
    path: '/v1/namespaces/:ns/find',
    summary: 'Objects of a type that meet a condition',
    params: nsParams,
    body: findBody,
    reply: pageReply,
    handle: async ({ who, params: { ns }, body, signal }) => {
      const { minSeq: seq, ...query } = body;
      context.rights.requireReadAll(who, ns, query.url);
      requireFindable(context.bcdb, ns, query);
      await waitForSeq(context, seq, signal);
      return pageText(await context.bcdb.projection.find(ns, query satisfies FindQuery));
    },
  });
}

function countRoute(context: DoorContext): Route {
  return route({
    method: 'POST',
    path: '/v1/namespaces/:ns/count',
    summary: 'How many objects of a type meet a condition',
    params: nsParams,
    body: Type.Object({ url: typeUrl, where: Type.Optional(where), minSeq }, closed),
    reply: Type.Object({ count: sequence }),
    handle: async ({ who, params: { ns }, body, signal }) => {
      context.rights.requireReadAll(who, ns, body.url);
      requireFindable(context.bcdb, ns, body);
      await waitForSeq(context, body.minSeq, signal);
      return { count: await context.bcdb.projection.count(ns, body.url, body.where) };
    },
  });
}

function searchRoute(context: DoorContext): Route {
  return route({
    method: 'POST',
    path: '/v1/namespaces/:ns/search',
    summary: 'Objects with these words, the best first',
    params: nsParams,
    body: searchBody,
    reply: pageReply,
    handle: async ({ who, params: { ns }, body, signal }) => {
      const { minSeq: seq, ...query } = body;
      context.rights.requireReadAll(who, ns, query.url);
      requireLegible(context.bcdb, ns, 'search');
      await waitForSeq(context, seq, signal);
      return pageText(await context.bcdb.projection.search(ns, query));
    },
  });
}

function sqlRoute(context: DoorContext): Route {
  return route({
    method: 'POST',
    path: '/v1/namespaces/:ns/sql',
    summary: 'One reading statement over a namespace, with a limit of time and size',
    params: nsParams,
    body: sqlBody,
    reply: Type.Object({ columns: Type.Array(Type.String()), rows: Type.Array(Type.Array(json)) }),
    handle: async ({ who, params: { ns }, body, signal }) => {
      context.rights.requireReadAll(who, ns);
      requireLegible(context.bcdb, ns, 'SQL');
      await waitForSeq(context, body.minSeq, signal);
      const parameters = (body.parameters ?? []).map(sqlParameter);
      const result = await context.bcdb.projection.sql(ns, body.sql, parameters, { signal });
      return { columns: result.columns, rows: result.rows.map((row) => row.map(cellText)) };
    },
  });
}

/** SQLite has no booleans. */
function sqlParameter(value: FieldValue): string | number | null {
  return typeof value === 'boolean' ? Number(value) : value;
}

/** Bytes as base64url; integers that a JSON number does not hold as text. */
function cellText(cell: SqlResult['rows'][number][number]): Static<typeof json> {
  if (cell instanceof Uint8Array) return toBase64url(cell);
  return typeof cell === 'bigint' ? String(cell) : cell;
}
