import { Type } from 'typebox';
import { challengeMs } from '../access/challenges.ts';
import { sessionMs } from '../access/token.ts';
import { decodeBytes } from '../record-text.ts';
import type { DoorContext } from './door-context.ts';
import { route } from './route.ts';
import type { Route } from './route.ts';
import { hash, keyText, time } from './shapes.ts';

/** How the holder of a key says who he is. */
export function sessionRoutes({ bcdb, gate }: DoorContext): readonly Route[] {
  return [
    route({
      method: 'POST',
      path: '/v1/challenge',
      summary: 'Something to sign: the first half of coming in with a key',
      reply: Type.Object({ challenge: hash, log: hash, endsInMs: time }),
      handle: () => ({ challenge: gate.challenge(), log: bcdb.log, endsInMs: challengeMs }),
    }),
    route({
      method: 'POST',
      path: '/v1/session',
      summary: 'A token that speaks for a key, against its signature over a challenge',
      body: Type.Object(
        { challenge: hash, key: keyText, signature: Type.String({ maxLength: 86 }) },
        { additionalProperties: false },
      ),
      reply: Type.Object({ token: Type.String(), key: keyText, endsInMs: time }),
      handle: async ({ body: { challenge, key, signature }, address, signal }) => {
        const answer = {
          challenge,
          key,
          door: 'http',
          signature: decodeBytes('signature', signature),
        } as const;
        const who = await gate.answer(answer, { address, signal });
        return { token: gate.session(who), key, endsInMs: sessionMs };
      },
    }),
  ];
}
