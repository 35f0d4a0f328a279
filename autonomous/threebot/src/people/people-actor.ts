import { idPatterns } from '@commongrid/model';
import { Type } from 'typebox';
import { actor, method } from '../actors/actor.ts';
import { People } from './people.ts';

const botId = Type.String({ pattern: `^${idPatterns.bot}$` });
const standing = Type.Union([Type.Literal('circle'), Type.Literal('admin')]);

/** Who has which rights with this bot; for its owner. @param owner id of the bot itself */
export function peopleActor(owner: string) {
  return actor('people', {
    list: method({
      summary: 'Bots that the owner counts to his circle, or lets administer',
      permission: 'admin',
      input: Type.Object({}, { additionalProperties: false }),
      output: Type.Array(Type.Object({ bot: botId, standing })),
      effect: (_input, { db }) => [...new People(db, owner).list()],
    }),
    allow: method({
      summary: 'Counts a bot to the circle, or lets it administer',
      permission: 'owner',
      input: Type.Object({ bot: botId, standing }, { additionalProperties: false }),
      output: Type.Object({ bot: botId, standing }),
      effect: (person, { db }) => {
        db.prepare('INSERT OR REPLACE INTO people VALUES (?, ?)').run(person.bot, person.standing);
        return person;
      },
    }),
    forbid: method({
      summary: 'Takes that back',
      permission: 'owner',
      input: Type.Object({ bot: botId }, { additionalProperties: false }),
      output: Type.Object({ wasThere: Type.Boolean() }),
      effect: ({ bot }, { db }) => {
        const { changes } = db.prepare('DELETE FROM people WHERE bot = ?').run(bot);
        return { wasThere: Number(changes) > 0 };
      },
    }),
  });
}
