import { systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import { idPatterns } from '@commongrid/model';
import { Type } from 'typebox';
import { actor, method } from './actors/actor.ts';

const closed = { additionalProperties: false } as const;

/** Letters of one text, so that many are readable at a time. */
const textMax = 10_000;

/** Texts in one answer. */
const pageMax = 50;

/** Texts that are kept; the oldest make room. */
const keptMax = 10_000;

const tables = `
  CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sender TEXT NOT NULL, at_ms INTEGER NOT NULL, text TEXT NOT NULL
  ) STRICT;
`;

/** Texts from bot to bot, for their owners to read. */
export function messagesActor(clock: Clock = systemClock) {
  return actor(
    'messages',
    {
      put: method({
        summary: 'Leaves a text for the owner of this bot',
        permission: 'known',
        input: Type.Object({ text: Type.String({ minLength: 1, maxLength: textMax }) }, closed),
        output: Type.Object({}),
        effect: ({ text }, { caller, db }) => {
          const { lastInsertRowid } = db
            .prepare('INSERT INTO messages (sender, at_ms, text) VALUES (?, ?, ?)')
            .run(caller.bot ?? '', clock.nowMs(), text);
          db.prepare('DELETE FROM messages WHERE seq <= ?').run(Number(lastInsertRowid) - keptMax);
          return {};
        },
      }),
      list: method({
        summary: 'The newest texts, or those before one of them',
        permission: 'owner',
        input: Type.Object({ before: Type.Optional(Type.Integer({ minimum: 1 })) }, closed),
        output: Type.Array(
          Type.Object({
            seq: Type.Integer(),
            from: Type.String({ pattern: `^${idPatterns.bot}$` }),
            atMs: Type.Integer(),
            text: Type.String(),
          }),
        ),
        effect: ({ before = Number.MAX_SAFE_INTEGER }, { db }) =>
          db
            .prepare('SELECT * FROM messages WHERE seq < ? ORDER BY seq DESC LIMIT ?')
            .all(before, pageMax)
            .map((row) => ({
              seq: Number(row['seq']),
              from: String(row['sender']),
              atMs: Number(row['at_ms']),
              text: String(row['text']),
            })),
      }),
    },
    tables,
  );
}
