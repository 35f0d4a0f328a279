import { GridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import { boxFromText, boxToText } from '@commongrid/crypto';
import { idPatterns } from '@commongrid/model';
import { Type } from 'typebox';
import { actor, method } from '../actors/actor.ts';
import type { Permission } from '../actors/caller.ts';
import type { BotLimits } from '../config.ts';
import type { BotErrorCode } from '../errors.ts';
import { HeldBoxes } from './held-boxes.ts';
import { boxText } from './mailbox-actor.ts';

/** Boxes in one answer: with boxes of full length they fit a frame. */
const fetchMax = 2;

const closed = { additionalProperties: false } as const;

export interface RelayOptions {
  readonly limits: Pick<BotLimits, 'heldMax' | 'heldBytesMax' | 'messageMsMax'>;
  /** A relay keeps boxes for its own circle only. */
  readonly standingOf: (bot: string) => Permission;
  readonly clock?: Clock;
}

/** Keeps sealed messages for bots of the circle that are away. */
export function relayActor({ limits, standingOf, clock = systemClock }: RelayOptions) {
  return actor('relay', {
    hold: method({
      summary: 'Keeps a sealed message until its receiver fetches it or it ends',
      permission: 'known',
      input: Type.Object(
        {
          to: Type.String({ pattern: `^${idPatterns.bot}$` }),
          id: Type.String({ pattern: '^[A-Za-z0-9_-]{22}$' }),
          expMs: Type.Integer({ minimum: 0 }),
          box: boxText,
        },
        closed,
      ),
      output: Type.Object({ isHeld: Type.Literal(true) }),
      effect: ({ to, id, expMs, box }, { caller, db }) => {
        if (['public', 'known'].includes(standingOf(to))) throw notServed(to);
        requireAlive(expMs, clock.nowMs(), limits.messageMsMax);
        const from = caller.bot ?? '';
        new HeldBoxes(db, limits).add({ to, from, id, expMs, box: boxFromText(box) });
        return { isHeld: true as const };
      },
    }),
    fetch: method({
      summary: 'The oldest messages that are kept for the caller; they stay until they are dropped',
      permission: 'circle',
      input: Type.Object({}, closed),
      output: Type.Object({
        boxes: Type.Array(Type.Object({ seq: Type.Integer(), box: boxText })),
      }),
      effect: (_input, { caller, db }) => {
        const boxes = new HeldBoxes(db, limits).list(caller.bot ?? '', fetchMax);
        return { boxes: boxes.map(({ seq, box }) => ({ seq, box: boxToText(box) })) };
      },
    }),
    drop: method({
      summary: 'Lets go of messages that the caller fetched',
      permission: 'circle',
      input: Type.Object({ seqs: Type.Array(Type.Integer(), { maxItems: 100 }) }, closed),
      output: Type.Object({}),
      effect: ({ seqs }, { caller, db }) => {
        new HeldBoxes(db, limits).drop(caller.bot ?? '', seqs);
        return {};
      },
    }),
  });
}

function requireAlive(expMs: number, nowMs: number, lifeMsMax: number): void {
  if (expMs > nowMs && expMs <= nowMs + lifeMsMax) return;
  throw new GridError<BotErrorCode>('BOT_MESSAGE_EXPIRED', 'it has ended, or ends too late', {
    details: { expMs, nowMs },
  });
}

function notServed(bot: string): GridError<BotErrorCode> {
  return new GridError('BOT_NOT_PERMITTED', 'nothing is kept here for this bot', {
    hint: 'let the owner of the relay allow it: grid bot call NAME people.allow',
    details: { bot },
  });
}
