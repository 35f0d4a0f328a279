import { Type } from 'typebox';
import { method } from '../actors/actor.ts';
import type { BotEntry } from '../phonebook/bot-entry.ts';
import { DataBook } from './data-book.ts';
import { rightPath } from './data-rights.ts';
import * as shape from './data-shapes.ts';
import { gridScheme, parseGridAddress, requireDataPath } from './grid-address.ts';

const { closed } = shape;

export interface RightsParts {
  /** Id of this bot. */
  readonly self: string;
  readonly book: DataBook;
  /** The bot of this name. @throws BOT_UNKNOWN */
  readonly named: (name: string) => Promise<Pick<BotEntry, 'id'>>;
}

/** How the owner says who may do what. */
export function rightsMethods({ book, self, named }: RightsParts) {
  /** A path of this bot, however it is named, or of another one by its id: whoever takes its name later is not meant. */
  const rightOf = async (given: string): Promise<string> => {
    if (!given.startsWith(gridScheme)) {
      requireDataPath(given);
      return given;
    }
    const { bot: meant, path } = parseGridAddress(given);
    const bot = meant.startsWith('bot:') ? meant : (await named(meant)).id;
    if (bot !== self) return rightPath({ bot, path });
    requireDataPath(path);
    return path;
  };
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
      summary:
        'Gives an app these rights and no others, at other bots by grid://BOT/PATH, and a new token',
      input: Type.Object({ app: shape.appName, rights: shape.pathRights }, closed),
      output: Type.Object({ app: Type.String(), token: Type.String() }),
      handler: async ({ app, rights }) => {
        const reached = await Promise.all(
          rights.map(async (one) => ({ ...one, path: await rightOf(one.path) })),
        );
        return { app, token: book.allow({ app, rights: reached }) };
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
