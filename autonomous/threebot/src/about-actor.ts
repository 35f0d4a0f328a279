import { idPatterns } from '@commongrid/model';
import { Type } from 'typebox';
import { actor, method } from './actors/actor.ts';
import type { DatabaseState } from './log-view.ts';
import type { MethodCaller } from './actors/typed-client.ts';

const closed = { additionalProperties: false } as const;
const botId = Type.String({ pattern: `^${idPatterns.bot}$` });

const statusShape = Type.Object({
  id: botId,
  log: Type.String(),
  links: Type.Integer(),
  /** Messages that are not known to have come. */
  letters: Type.Integer(),
  refused: Type.Array(Type.Object({ to: botId, id: Type.String(), why: Type.String() })),
  /** Whether the database answered the last question, and when it answered last. */
  database: Type.Object({
    state: Type.Union([Type.Literal('there'), Type.Literal('away'), Type.Literal('unasked')]),
    answeredMs: Type.Union([Type.Integer(), Type.Null()]),
  }),
  /** What waits to be read by the owner: `notices.list`. */
  notices: Type.Object({ open: Type.Integer(), urgent: Type.Integer() }),
  residentBytes: Type.Integer(),
  /** Why nothing new starts; null when all is well. */
  halt: Type.Union([Type.String(), Type.Null()]),
});

export interface AboutOptions {
  readonly id: string;
  readonly log: string;
  readonly status: () => {
    readonly links: number;
    readonly letters: number;
    readonly refused: { to: string; id: string; why: string }[];
    readonly halt: string | null;
    readonly database: { state: DatabaseState; answeredMs: number | null };
    readonly notices: { open: number; urgent: number };
  };
  readonly linkTo: (bot: string) => Promise<MethodCaller>;
}

/** Who this bot is, how it does, and a way through it to others. */
export function aboutActor({ id, log, status, linkTo }: AboutOptions) {
  return actor('bot', {
    about: method({
      summary: 'Who this is',
      permission: 'public',
      input: Type.Object({}, closed),
      output: Type.Object({ id: botId, log: Type.String() }),
      handler: () => ({ id, log }),
    }),
    status: method({
      summary: 'How this bot does',
      permission: 'admin',
      input: Type.Object({}, closed),
      output: statusShape,
      handler: () => ({ id, log, ...status(), residentBytes: process.memoryUsage.rss() }),
    }),
    call: method({
      summary: 'Calls a method of another bot, as this one',
      permission: 'owner',
      input: Type.Object(
        { bot: botId, method: Type.String({ maxLength: 65 }), input: Type.Unknown() },
        closed,
      ),
      output: Type.Unknown(),
      handler: async ({ bot, method: name, input }, { signal }) =>
        (await linkTo(bot)).call(name, input, { signal }),
    }),
  });
}
