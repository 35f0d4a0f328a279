import type { JsonValue } from '@commongrid/crypto';
import { Type } from 'typebox';
import { method } from '../actors/actor.ts';
import { DataBook } from './data-book.ts';
import * as shape from './data-shapes.ts';
import type { DataStore } from './data-store.ts';
import type { Resolver } from './resolver.ts';

const { closed } = shape;
const nothing = Type.Object({}, closed);
const address = Type.String({ maxLength: 2_048 });

/** What only the owner may do: say where his data is, and see that of others. */
export function ownerMethods({ records }: DataStore, resolver: Resolver) {
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
      effect: ({ namespace, files }, { db }) => {
        const book = new DataBook(db);
        if (namespace !== undefined) book.namespace = namespace;
        if (files !== undefined) book.files = files;
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
        apps: Type.Array(Type.Object({ app: Type.String(), rights: shape.appRights })),
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
    open: method({
      ...shape.ownerOnly,
      summary: 'What grid://BOT/PATH leads to, here or at another bot',
      input: Type.Object({ address }, closed),
      output: shape.found,
      handler: (input, context) => resolver.open(input.address, context),
    }),
    browse: method({
      ...shape.ownerOnly,
      summary: 'What is right below grid://BOT/PATH, here or at another bot',
      input: Type.Object({ address, cursor: shape.cursor }, closed),
      output: shape.entryPage,
      handler: (input, context) => resolver.browse(input.address, input.cursor, context),
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
    apps: book.apps().map(({ app, rights }) => ({
      app,
      rights: rights.map(({ path, rights: given }) => ({ path, rights: [...given] })),
    })),
  };
}
