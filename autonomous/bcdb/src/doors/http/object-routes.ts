import { Type } from 'typebox';
import { GridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../../errors.ts';
import type { AsOf } from '../../projection/namespace-reader.ts';
import type { ObjectVersion } from '../../projection/object-row.ts';
import { isSystem } from '../../state/administrative.ts';
import { requireOwner } from '../access/read-rights.ts';
import { decodeBytes } from '../record-text.ts';
import type { DoorContext } from './door-context.ts';
import { changeReply, changeText, objectReply, objectText } from './object-shapes.ts';
import { waitForSeq } from './read-your-writes.ts';
import { receiptText } from './record-routes.ts';
import { route } from './route.ts';
import type { Route } from './route.ts';
import { hash, json, minSeq, objectParams, ownerReceipt, proofReply, sequence } from './shapes.ts';

/** Single objects: as they are, as they were, and the proof of it. */
export function objectRoutes(context: DoorContext): readonly Route[] {
  return [
    getRoute(context),
    ...writeRoutes(context),
    historyRoute(context),
    proofRoute(context),
    privacyRoute(context),
  ];
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
    summary: 'Shows that the newest version of an object is in the log',
    params: objectParams,
    query: Type.Object({ minSeq }),
    reply: proofReply,
    handle: async ({ who, params: { ns, url, id: obj }, query, signal }) => {
      rights.requireRead(who, ns, url, obj);
      await waitForSeq(context, query.minSeq, signal);
      const [newest] = await bcdb.projection.history(ns, url, obj, { limit: 1 });
      if (newest === undefined) throw notFound(ns, url, obj);
      return bcdb.prove(newest.origin);
    },
  });
}

function privacyRoute({ bcdb, rights }: DoorContext): Route {
  return route({
    method: 'GET',
    path: '/v1/namespaces/:ns/privacy/:url/*id',
    summary: 'Whether the payload of an object has to be sealed: for whoever may read or write it',
    params: objectParams,
    reply: Type.Object({ isPrivate: Type.Boolean() }),
    handle: ({ who, params: { ns, url, id: obj } }) => {
      if (!bcdb.may(ns, who.key, 'write', url, obj)) rights.requireRead(who, ns, url, obj);
      return { isPrivate: bcdb.isPrivate(ns) && !isSystem(url) };
    },
  });
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
