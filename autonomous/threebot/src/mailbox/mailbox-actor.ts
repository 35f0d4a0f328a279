import { Type } from 'typebox';
import { boxFromText } from '@commongrid/crypto';
import { idPatterns } from '@commongrid/model';
import { actor, method } from '../actors/actor.ts';

/** A sealed box as text, base64url; 1 MiB of them is more than a frame. */
export const boxText = Type.String({ pattern: '^[A-Za-z0-9_-]+$', maxLength: 2 ** 20 });

/** Where messages arrive. @param take takes one that some account brings, or refuses it */
export function mailboxActor(take: (box: Uint8Array, bringer: string) => Promise<void>) {
  return actor('mailbox', {
    deliver: method({
      summary: 'Brings a sealed message for this bot; answered once its effect is on disk',
      permission: 'known',
      input: Type.Object({ box: boxText }, { additionalProperties: false }),
      output: Type.Object({ isTaken: Type.Literal(true) }),
      handler: async ({ box }, { caller }) => {
        await take(boxFromText(box), caller.account);
        return { isTaken: true as const };
      },
    }),
    send: method({
      summary: 'Sends a message to another bot, now or when it is back',
      permission: 'owner',
      input: Type.Object(
        {
          to: Type.String({ pattern: `^${idPatterns.bot}$` }),
          kind: Type.String({ maxLength: 65 }),
          body: Type.Unknown(),
          lifeMs: Type.Optional(Type.Integer({ minimum: 1 })),
        },
        { additionalProperties: false },
      ),
      output: Type.Object({ id: Type.String() }),
      effect: ({ to, kind, body, lifeMs }, { send }) => ({
        id: send({ to, kind, body, ...(lifeMs === undefined ? {} : { lifeMs }) }),
      }),
    }),
  });
}
