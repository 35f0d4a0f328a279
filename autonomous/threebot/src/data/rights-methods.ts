import { Type } from 'typebox';
import { method } from '../actors/actor.ts';
import { DataBook } from './data-book.ts';
import * as shape from './data-shapes.ts';
import { requireDataPath } from './grid-address.ts';

const { closed } = shape;

/** How the owner says who may do what. */
export function rightsMethods() {
  return {
    share: method({
      ...shape.ownerOnly,
      summary: 'Lets others read a path and all below it, unless a longer one says otherwise',
      input: shape.share,
      output: Type.Object({}),
      effect: (one, { db }) => {
        requireDataPath(one.path);
        new DataBook(db).share(one);
        return {};
      },
    }),
    unshare: method({
      ...shape.ownerOnly,
      summary: 'Takes that back',
      input: Type.Object({ path: shape.dataPath }, closed),
      output: Type.Object({ wasThere: Type.Boolean() }),
      effect: ({ path }, { db }) => ({ wasThere: new DataBook(db).unshare(path) }),
    }),
    grant: method({
      ...shape.ownerOnly,
      summary: 'Gives one bot these rights and no others, besides what is shared; none take it out',
      input: Type.Object({ bot: shape.botId, rights: shape.pathRights }, closed),
      output: Type.Object({}),
      effect: ({ bot, rights }, { db }) => {
        for (const { path } of rights) requireDataPath(path);
        new DataBook(db).grant({ bot, rights });
        return {};
      },
    }),
    allow: method({
      ...shape.ownerOnly,
      summary: 'Gives an app these rights and no others, and a new token, which is shown once',
      input: Type.Object({ app: shape.appName, rights: shape.pathRights }, closed),
      output: Type.Object({ app: Type.String(), token: Type.String() }),
      effect: ({ app, rights }, { db }) => {
        for (const { path } of rights) requireDataPath(path);
        return { app, token: new DataBook(db).allow({ app, rights }) };
      },
    }),
    forbid: method({
      ...shape.ownerOnly,
      summary: 'Ends the token of an app',
      input: Type.Object({ app: shape.appName }, closed),
      output: Type.Object({ wasThere: Type.Boolean() }),
      effect: ({ app }, { db }) => ({ wasThere: new DataBook(db).forbid(app) }),
    }),
  };
}
