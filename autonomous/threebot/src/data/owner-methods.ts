import type { JsonValue } from '@commongrid/crypto';
import { Type } from 'typebox';
import { method } from '../actors/actor.ts';
import { DataBook } from './data-book.ts';
import type { PathRight } from './data-rights.ts';
import * as shape from './data-shapes.ts';
import type { DataStore } from './data-store.ts';

const { closed } = shape;
const nothing = Type.Object({}, closed);

/** What only the owner may do: say where his data is, and of which types. */
export function ownerMethods({ records, files }: DataStore) {
  return {
    configure: method({
      ...shape.ownerOnly,
      summary: 'Says where records and files are; what is left out stays as it is',
      input: Type.Object(
        {
          namespace: Type.Optional(Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,63}$' })),
          files: Type.Optional(shape.fileStore),
        },
        closed,
      ),
      output: Type.Object({}),
      effect: ({ namespace, files: store }, { db }) => {
        const book = new DataBook(db);
        if (namespace !== undefined) book.namespace = namespace;
        if (store !== undefined) book.files = store;
        return {};
      },
    }),
    makeBucket: method({
      ...shape.ownerOnly,
      summary: 'Makes the bucket for files, unless it is there',
      input: nothing,
      output: Type.Object({}),
      handler: async (_input, { signal }) => {
        await files.makeBucket(signal);
        return {};
      },
    }),
    settings: method({
      ...shape.ownerOnly,
      summary: 'Where records and files are, which collections there are, and who may do what',
      input: nothing,
      output: Type.Object({
        namespace: Type.Union([Type.String(), Type.Null()]),
        files: Type.Union([Type.Omit(shape.fileStore, ['secretKey']), Type.Null()]),
        collections: Type.Array(Type.Object({ name: Type.String(), type: Type.String() })),
        shares: Type.Array(shape.share),
        grants: Type.Array(Type.Object({ bot: Type.String(), rights: shape.pathRights })),
        apps: Type.Array(Type.Object({ app: Type.String(), rights: shape.pathRights })),
      }),
      effect: (_input, { db }) => settingsOf(new DataBook(db)),
    }),
    define: method({
      ...shape.ownerOnly,
      summary:
        'Makes a collection of records of a type; types such as grid.note.1 bring their schema',
      input: Type.Object(
        {
          collection: shape.collectionName,
          type: shape.typeName,
          schema: Type.Optional(Type.Unknown()),
        },
        closed,
      ),
      output: Type.Object({}),
      handler: async ({ collection, type, schema }, { signal }) => {
        await records.define(collection, type, schema as JsonValue | undefined, signal);
        return {};
      },
    }),
  };
}

function settingsOf(book: DataBook) {
  const { namespace, files } = book;
  const { secretKey: _secret, ...open } = files ?? { secretKey: '' };
  return {
    namespace: namespace ?? null,
    files: files === undefined ? null : (open as Omit<typeof files, 'secretKey'>),
    collections: book.collections().map((one) => ({ ...one })),
    shares: book.shares().map((one) => ({ ...one })),
    grants: book.grants().map(({ bot, rights }) => ({ bot, rights: copied(rights) })),
    apps: book.apps().map(({ app, rights }) => ({ app, rights: copied(rights) })),
  };
}

function copied(rights: readonly PathRight[]) {
  return rights.map(({ path, rights: given }) => ({ path, rights: [...given] }));
}
