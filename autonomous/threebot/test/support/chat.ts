import { Type } from 'typebox';
import { actor, method } from '../../src/index.ts';

/** Two bots that send each other numbers, and note how often each came. */
export const chat = actor(
  'chat',
  {
    batch: method({
      summary: 'Sends some numbers, unless this batch was sent before',
      permission: 'owner',
      input: Type.Object({ batch: Type.Integer(), size: Type.Integer(), to: Type.String() }),
      output: Type.Object({}),
      effect: ({ batch, size, to }, { db, send }) => {
        const { changes } = db.prepare('INSERT OR IGNORE INTO batches VALUES (?)').run(batch);
        if (Number(changes) === 0) return {};
        for (let n = batch * size; n < (batch + 1) * size; n++) {
          send({ to, kind: 'chat.hear', body: { n } });
        }
        return {};
      },
    }),
    hear: method({
      summary: 'Notes a number',
      permission: 'known',
      input: Type.Object({ n: Type.Integer() }),
      output: Type.Object({}),
      effect: ({ n }, { db }) => {
        db.prepare(
          'INSERT INTO heard VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1',
        ).run(n);
        return {};
      },
    }),
  },
  `CREATE TABLE IF NOT EXISTS batches (batch INTEGER PRIMARY KEY) STRICT;
   CREATE TABLE IF NOT EXISTS heard (n INTEGER PRIMARY KEY, times INTEGER NOT NULL) STRICT;`,
);
