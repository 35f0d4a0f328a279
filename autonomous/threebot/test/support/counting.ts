import { Type } from 'typebox';
import { GridError } from '@commongrid/base';
import { actor, method } from '../../src/index.ts';

const closed = { additionalProperties: false } as const;

/** An actor with a method of each kind and permission. */
export const counting = actor(
  'counting',
  {
    echo: method({
      summary: 'Answers what it is given',
      permission: 'public',
      input: Type.Object({ text: Type.String() }, closed),
      output: Type.Object({ text: Type.String() }),
      handler: ({ text }) => ({ text }),
    }),
    who: method({
      summary: 'Says who called, and by which way',
      permission: 'known',
      input: Type.Object({}, closed),
      output: Type.Object({ bot: Type.String(), standing: Type.String(), way: Type.String() }),
      handler: (_input, { caller: { bot = '', standing, way } }) => ({ bot, standing, way }),
    }),
    note: method({
      summary: 'Counts a number',
      permission: 'known',
      input: Type.Object({ n: Type.Integer() }, closed),
      output: Type.Object({ times: Type.Integer() }),
      effect: ({ n }, { db, caller }) => {
        if (n < 0) throw new GridError('COUNTING_NEGATIVE', 'only what is counted');
        db.prepare(
          'INSERT INTO counted VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET times = times + 1',
        ).run(caller.bot ?? '', n);
        const row = db.prepare('SELECT times FROM counted WHERE bot = ? AND n = ?');
        return { times: Number(row.get(caller.bot ?? '', n)?.['times']) };
      },
    }),
    read: method({
      summary: 'What was counted',
      permission: 'circle',
      input: Type.Object({}, closed),
      output: Type.Array(Type.Object({ n: Type.Integer(), times: Type.Integer() })),
      effect: (_input, { db }) =>
        db
          .prepare('SELECT n, times FROM counted ORDER BY n')
          .all()
          .map((row) => ({ n: Number(row['n']), times: Number(row['times']) })),
    }),
    hang: method({
      summary: 'Never answers',
      permission: 'public',
      input: Type.Object({}, closed),
      output: Type.Object({}),
      handler: (_input, { signal }) =>
        new Promise<object>((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('stopped')));
        }),
    }),
    lie: method({
      summary: 'Answers what it does not declare',
      permission: 'public',
      input: Type.Object({}, closed),
      output: Type.Object({ n: Type.Integer() }),
      handler: () => JSON.parse('{"n":"one"}') as { n: number },
    }),
    big: method({
      summary: 'Answers so many letters',
      permission: 'public',
      input: Type.Object({ length: Type.Integer() }, closed),
      output: Type.String(),
      handler: ({ length }) => 'x'.repeat(length),
    }),
  },
  `CREATE TABLE IF NOT EXISTS counted (
     bot TEXT NOT NULL, n INTEGER NOT NULL, times INTEGER NOT NULL, PRIMARY KEY (bot, n)
   ) STRICT;`,
);
