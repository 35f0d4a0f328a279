import type { JsonValue } from '@commongrid/crypto';
import { Type } from 'typebox';
import { method } from '../actors/actor.ts';
import type { DataStore } from './data-store.ts';
import * as shape from './data-shapes.ts';

const { closed, judged } = shape;
const recordName = { collection: shape.collectionName, id: shape.recordId };

/** What owner, apps and others may do with records. */
export function recordMethods(data: DataStore) {
  const { records } = data;
  return {
    put: method({
      ...judged,
      summary: 'Writes a record: a new one, or the next version',
      input: Type.Object(
        { ...recordName, value: Type.Unknown(), prev: Type.Optional(shape.versionHash) },
        closed,
      ),
      output: shape.written,
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
      output: shape.removed,
      handler: async ({ collection, id, erase = false }, { caller, signal }) => {
        data.require(caller, 'write', `${collection}/${id}`);
        return { wasThere: await records.remove({ collection, id }, erase, signal) };
      },
    }),
  };
}
