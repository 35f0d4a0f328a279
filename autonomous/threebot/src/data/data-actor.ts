import type { JsonValue } from '@commongrid/crypto';
import { Type } from 'typebox';
import { actor, method } from '../actors/actor.ts';
import { dataTables } from './data-book.ts';
import type { DataStore } from './data-store.ts';
import * as shape from './data-shapes.ts';
import { urlSecondsDefault, urlSecondsMax } from './files.ts';
import { filesRoot } from './grid-address.ts';
import { ownerMethods } from './owner-methods.ts';
import type { Resolver } from './resolver.ts';

const { closed } = shape;

/** Methods that anybody may call: whether the object is for him is judged with each call. */
const judged = { permission: 'public', isForApps: true } as const;

const recordName = { collection: shape.collectionName, id: shape.recordId };
const file = { path: shape.dataPath };

/**
 * The data of the owner, for himself, his apps and whom he shares it with: typed records in the database,
 * files in S3.
 */
export function dataActor(data: DataStore, resolver: Resolver) {
  const { records, files } = data;
  return actor(
    'data',
    {
      ...ownerMethods(data, resolver),
      put: method({
        ...judged,
        summary: 'Writes a record: a new one, or the next version',
        input: Type.Object(
          { ...recordName, value: Type.Unknown(), prev: Type.Optional(shape.versionHash) },
          closed,
        ),
        output: Type.Object({ version: Type.String(), seq: Type.Integer() }),
        handler: ({ collection, id, value, prev }, { caller, signal }) => {
          data.require(caller, 'write', `${collection}/${id}`);
          return records.put({ collection, id }, value as JsonValue, prev, signal);
        },
      }),
      get: method({
        ...judged,
        summary: 'The newest version of a record; null where there is none',
        input: Type.Object(recordName, closed),
        output: Type.Union([shape.record, Type.Null()]),
        handler: async ({ collection, id }, { caller, signal }) => {
          data.require(caller, 'read', `${collection}/${id}`);
          return (await records.get({ collection, id }, signal)) ?? null;
        },
      }),
      find: method({
        ...judged,
        summary: 'Records of a collection for which all conditions hold',
        input: Type.Object(
          {
            collection: shape.collectionName,
            where: Type.Optional(shape.where),
            orderBy: Type.Optional(shape.orderBy),
            limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
            cursor: shape.cursor,
          },
          closed,
        ),
        output: shape.recordPage,
        handler: async ({ collection, where, ...query }, { caller, signal }) => {
          data.requireAll(caller, 'read', collection);
          const conditions = where === undefined ? {} : { where: { and: where } };
          const page = await records.find(collection, { ...query, ...conditions }, signal);
          return {
            records: [...page.records],
            ...(page.cursor === undefined ? {} : { cursor: page.cursor }),
          };
        },
      }),
      remove: method({
        ...judged,
        summary: 'Removes a record; with `erase` all that it ever was',
        input: Type.Object({ ...recordName, erase: Type.Optional(Type.Boolean()) }, closed),
        output: Type.Object({ wasThere: Type.Boolean() }),
        handler: async ({ collection, id, erase = false }, { caller, signal }) => {
          data.require(caller, 'write', `${collection}/${id}`);
          return { wasThere: await records.remove({ collection, id }, erase, signal) };
        },
      }),
      fileUrl: method({
        ...judged,
        summary: 'A URL with which a file can be read or written for a while, by HTTP GET or PUT',
        input: Type.Object(
          {
            ...file,
            method: Type.Optional(shape.fileMethod),
            seconds: Type.Optional(Type.Integer({ minimum: 1, maximum: urlSecondsMax })),
          },
          closed,
        ),
        output: Type.Object({ url: Type.String(), urlSeconds: Type.Integer() }),
        handler: ({ path, method: verb = 'GET', seconds = urlSecondsDefault }, { caller }) => {
          data.require(caller, verb === 'GET' ? 'read' : 'write', `${filesRoot}/${path}`);
          return { url: files.urlOf(path, verb, seconds), urlSeconds: seconds };
        },
      }),
      removeFile: method({
        ...judged,
        summary: 'Removes a file',
        input: Type.Object(file, closed),
        output: Type.Object({}),
        handler: async ({ path }, { caller, signal }) => {
          data.require(caller, 'write', `${filesRoot}/${path}`);
          await files.remove(path, signal);
          return {};
        },
      }),
      list: method({
        ...judged,
        summary: 'Collections, records of one, or files of a folder, by their paths',
        input: Type.Object(
          { path: Type.Optional(Type.String({ maxLength: 512 })), cursor: shape.cursor },
          closed,
        ),
        output: shape.entryPage,
        handler: ({ path = '', cursor }, { caller, signal }) =>
          data.list(caller, path.replace(/\/$/, ''), cursor, signal),
      }),
      resolve: method({
        ...judged,
        summary: 'What a path of this bot leads to: a record, or a file by a URL',
        input: Type.Object({ path: shape.dataPath }, closed),
        output: shape.found,
        handler: ({ path }, { caller, signal }) => data.resolve(caller, path, signal),
      }),
    },
    dataTables,
  );
}
