import { delay, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import { Type } from 'typebox';
import { actor, method } from '../actors/actor.ts';
import { noticeTables } from './notice-book.ts';
import type { NoticeBook } from './notice-book.ts';

const closed = { additionalProperties: false } as const;

/** How long an answer may wait for the next notice, ms: less than a call may take. */
const waitMsMax = 20_000;
/** Notices that are called read at once. */
const readMax = 1_000;

const nullable = Type.Union([Type.Integer(), Type.Null()]);
const notice = Type.Object({
  seq: Type.Integer(),
  code: Type.String(),
  severity: Type.Union([Type.Literal('info'), Type.Literal('warning'), Type.Literal('urgent')]),
  contract: Type.String(),
  message: Type.String(),
  next: Type.String(),
  atMs: Type.Integer(),
  overMs: nullable,
  readMs: nullable,
});

/** What the bot tells its owner. */
export function noticesActor(book: NoticeBook, clock: Clock = systemClock) {
  return actor(
    'notices',
    {
      list: method({
        summary: 'What waits to be read, the oldest first; with `waitMs` the answer waits for one',
        permission: 'owner',
        input: Type.Object(
          {
            after: Type.Optional(Type.Integer({ minimum: 0 })),
            all: Type.Optional(Type.Boolean()),
            waitMs: Type.Optional(Type.Integer({ minimum: 0, maximum: waitMsMax })),
          },
          closed,
        ),
        output: Type.Array(notice),
        handler: async ({ waitMs = 0, ...query }, { signal }) => {
          const over = new AbortController();
          const late = delay(waitMs, { clock, signal: AbortSignal.any([signal, over.signal]) });
          const ended = late.then(
            () => true,
            () => true,
          );
          for (let isOver = false; ;) {
            const { changed } = book;
            const found = book.list(query);
            if (found.length > 0 || isOver) {
              over.abort();
              return found;
            }
            isOver = await Promise.race([ended, changed.then(() => false)]);
          }
        },
      }),
      read: method({
        summary: 'Says that these were read',
        permission: 'owner',
        input: Type.Object(
          { seqs: Type.Array(Type.Integer({ minimum: 1 }), { maxItems: readMax }) },
          closed,
        ),
        output: Type.Object({ count: Type.Integer() }),
        effect: ({ seqs }) => ({ count: book.read(seqs, clock.nowMs()) }),
      }),
    },
    noticeTables,
  );
}
