import type { JsonValue } from '@commongrid/crypto';
import { Type } from 'typebox';
import { method } from '../actors/actor.ts';
import { DataBook } from './data-book.ts';
import * as shape from './data-shapes.ts';
import type { DataStore } from './data-store.ts';
import { requireDataPath } from './grid-address.ts';
import type { Resolver } from './resolver.ts';

const { closed } = shape;
const nothing = Type.Object({}, closed);
const owner = { permission: 'owner' } as const;
const address = Type.String({ maxLength: 2_048 });
const share = { path: shape.dataPath, readers: shape.readers };

/** What only the owner may do: say where data is, and who may do what; and see that of others. */
export function ownerMethods({ records }: DataStore, resolver: Resolver) {
  return {
    configure: method({
      ...owner,
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
      ...owner,
      summary: 'Where records and files are, which collections there are, and who may do what',
      input: nothing,
      output: Type.Object({
        namespace: Type.Union([Type.String(), Type.Null()]),
        files: Type.Union([Type.Omit(shape.fileStore, ['secretKey']), Type.Null()]),
        collections: Type.Array(Type.Object({ name: Type.String(), type: Type.String() })),
        shares: Type.Array(Type.Object(share)),
        apps: Type.Array(Type.Object({ app: Type.String(), rights: shape.appRights })),
      }),
      effect: (_input, { db }) => settingsOf(new DataBook(db)),
    }),
    define: method({
      ...owner,
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
    share: method({
      ...owner,
      summary: 'Lets others read a path and all below it, unless a longer one says otherwise',
      input: Type.Object(share, closed),
      output: Type.Object({}),
      effect: (one, { db }) => {
        requireDataPath(one.path);
        new DataBook(db).share(one);
        return {};
      },
    }),
    unshare: method({
      ...owner,
      summary: 'Takes that back',
      input: Type.Object({ path: shape.dataPath }, closed),
      output: Type.Object({ wasThere: Type.Boolean() }),
      effect: ({ path }, { db }) => ({ wasThere: new DataBook(db).unshare(path) }),
    }),
    allow: method({
      ...owner,
      summary: 'Gives an app these rights and no others, and a new token, which is shown once',
      input: Type.Object({ app: shape.appName, rights: shape.appRights }, closed),
      output: Type.Object({ app: Type.String(), token: Type.String() }),
      effect: ({ app, rights }, { db }) => {
        for (const { path } of rights) requireDataPath(path);
        return { app, token: new DataBook(db).allow({ app, rights }) };
      },
    }),
    forbid: method({
      ...owner,
      summary: 'Ends the token of an app',
      input: Type.Object({ app: shape.appName }, closed),
      output: Type.Object({ wasThere: Type.Boolean() }),
      effect: ({ app }, { db }) => ({ wasThere: new DataBook(db).forbid(app) }),
    }),
    open: method({
      ...owner,
      summary: 'What grid://BOT/PATH leads to, here or at another bot',
      input: Type.Object({ address }, closed),
      output: shape.found,
      handler: (input, context) => resolver.open(input.address, context),
    }),
    browse: method({
      ...owner,
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
