import { Type } from 'typebox';
import { GridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../../errors.ts';
import type { AsOf } from '../../projection/namespace-reader.ts';
import type { ObjectChange, ObjectVersion } from '../../projection/object-row.ts';
import { requireOwner } from '../access/read-rights.ts';
import { decodeBytes } from '../record-text.ts';
import type { DoorContext } from './door-context.ts';
import { changeReply, changeText, objectReply, objectText } from './object-shapes.ts';
import { waitForSeq } from './read-your-writes.ts';
import { receiptText } from './record-routes.ts';
import { route } from './route.ts';
import type { Route } from './route.ts';
import { hash, json, minSeq, objectParams, ownerReceipt, proofReply, sequence } from './shapes.ts';

/** Versions that are looked at together for one that no proposal made. */
const versionsPage = 16;

/** Single objects: as they are, as they were, and the proof of it. */
export function objectRoutes(context: DoorContext): readonly Route[] {
  return [getRoute(context), ...writeRoutes(context), historyRoute(context), proofRoute(context)];
}

function getRoute(context: DoorContext): Route {
  const { bcdb, rights } = context;
  return route({
    method: 'GET',
    path: '/v1/namespaces/:ns/objects/:url/*id',
    summary: 'An object as it is, or as it was at a sequence or a time',
    params: objectParams,
    query: Type.Object({ asOf: Type.Optional(Type.String({ maxLength: 40 })), minSeq }),
    reply: objectReply,
    handle: async ({ who, params: { ns, url, id: obj }, query, signal }) => {
      rights.requireRead(who, ns, url, obj);
      await waitForSeq(context, query.minSeq, signal);
      const { projection } = bcdb;
      const found: ObjectVersion | undefined =
        query.asOf === undefined
          ? projection.getNow(ns, url, obj)
          : await projection.get(ns, url, obj, asOfText(query.asOf));
      if (found === undefined) throw notFound(ns, url, obj);
      return objectText(found);
    },
  });
}

function writeRoutes({ bcdb, metrics }: DoorContext): readonly Route[] {
  return [
    route({
      method: 'PUT',
      path: '/v1/namespaces/:ns/objects/:url/*id',
      summary:
        'Makes or changes an object in the name of the owner; the body is its value or its box',
      params: objectParams,
      query: Type.Object({ prev: Type.Optional(hash), sealed: Type.Optional(Type.Boolean()) }),
      body: json,
      reply: ownerReceipt,
      handle: async ({ who, params: { ns, url, id: obj }, query: { prev, sealed }, body }) => {
        requireOwner(who);
        const follows = prev === undefined ? {} : { prev };
        const value = sealed === true ? sealedBody(body) : body;
        const put = { ns, op: 'put', url, obj, value, ...follows } as const;
        const done = await metrics.append(() => bcdb.write(put));
        return { ...receiptText(done), wasLive: done.wasLive };
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/namespaces/:ns/objects/:url/*id',
      summary: 'Deletes an object; with `erase` the payloads of all its versions go too',
      params: objectParams,
      query: Type.Object({ prev: Type.Optional(hash), erase: Type.Optional(Type.Boolean()) }),
      reply: ownerReceipt,
      handle: async ({ who, params: { ns, url, id: obj }, query: { prev, erase } }) => {
        requireOwner(who);
        const op = erase === true ? 'erase' : 'del';
        const follows = prev === undefined ? {} : { prev };
        const done = await metrics.append(() => bcdb.write({ ns, op, url, obj, ...follows }));
        return { ...receiptText(done), wasLive: done.wasLive };
      },
    }),
  ];
}

function historyRoute(context: DoorContext): Route {
  const { bcdb, rights } = context;
  return route({
    method: 'GET',
    path: '/v1/namespaces/:ns/history/:url/*id',
    summary: 'Versions of an object, the newest first; `before` goes on below a sequence',
    params: objectParams,
    query: Type.Object({
      before: Type.Optional(sequence),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
      minSeq,
    }),
    reply: Type.Object({ versions: Type.Array(changeReply) }),
    handle: async ({ who, params: { ns, url, id: obj }, query, signal }) => {
      rights.requireRead(who, ns, url, obj);
      await waitForSeq(context, query.minSeq, signal);
      const { before, limit } = query;
      const versions = await bcdb.projection.history(ns, url, obj, {
        ...(before === undefined ? {} : { before }),
        ...(limit === undefined ? {} : { limit }),
      });
      return { versions: versions.map(changeText) };
    },
  });
}

function proofRoute(context: DoorContext): Route {
  const { bcdb, rights } = context;
  return route({
    method: 'GET',
    path: '/v1/namespaces/:ns/proof/:url/*id',
    summary: 'Shows that the newest version of an object, or the newest `own`, is in the log',
    params: objectParams,
    query: Type.Object({ minSeq, own: Type.Optional(Type.Boolean()) }),
    reply: proofReply,
    handle: async ({ who, params: { ns, url, id: obj }, query, signal }) => {
      rights.requireRead(who, ns, url, obj);
      await waitForSeq(context, query.minSeq, signal);
      const newest = await newestVersion(context, { ns, url, obj }, query.own === true);
      if (newest === undefined) throw notFound(ns, url, obj);
      return bcdb.prove(newest.origin);
    },
  });
}

/** The newest version, or the newest that no proposal made. */
async function newestVersion(
  { bcdb }: DoorContext,
  { ns, url, obj }: { readonly ns: string; readonly url: string; readonly obj: string },
  isOwn: boolean,
): Promise<ObjectChange | undefined> {
  const limit = isOwn ? versionsPage : 1;
  let before: number | undefined;
  do {
    const page = before === undefined ? { limit } : { limit, before };
    const versions = await bcdb.projection.history(ns, url, obj, page);
    const found = versions.find(({ seq, origin }) => !isOwn || seq === origin);
    if (found !== undefined) return found;
    before = versions.at(-1)?.seq;
  } while (before !== undefined);
  return undefined;
}

/** A sealed payload, as `box` of answers has it. @throws BCDB_REQUEST_INVALID */
function sealedBody(body: JsonValue): Uint8Array {
  if (typeof body === 'string') return decodeBytes('body', body);
  throw new GridError<BcdbErrorCode>('BCDB_REQUEST_INVALID', 'the body is no box', {
    hint: 'with `sealed` the body is a text: the sealed payload as base64url',
  });
}

/** `1234`, a sequence, or `2026-03-01T10:00:00Z`, a time. @throws BCDB_REQUEST_INVALID */
function asOfText(text: string): AsOf {
  if (/^\d{1,15}$/.test(text)) return { seq: Number(text) };
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return { at };
  throw new GridError<BcdbErrorCode>('BCDB_REQUEST_INVALID', 'asOf is no sequence and no time', {
    hint: 'a number, or a time as 2026-03-01T10:00:00Z',
  });
}

function notFound(ns: string, url: string, obj: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_NOT_FOUND', `there is no ${url} ${obj} in ${ns}`);
}
