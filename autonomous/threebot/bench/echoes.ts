import { Type } from 'typebox';
import { actor, method } from '../src/index.ts';
import type { BotLimits } from '../src/index.ts';

/** What is measured must not be held up by what protects a bot from being asked so often. */
export const benchLimits: Partial<BotLimits> = { callsPerSecond: 1e9, callsBurst: 1e9 };

export const echoes = actor(
  'echoes',
  {
    echo: method({
      summary: 'Answers what it is given',
      permission: 'known',
      input: Type.Object({ text: Type.String() }),
      output: Type.Object({ text: Type.String() }),
      handler: ({ text }) => ({ text }),
    }),
    note: method({
      summary: 'Counts a message',
      permission: 'known',
      input: Type.Object({ text: Type.String() }),
      output: Type.Object({}),
      effect: ({ text }, { db }) => {
        db.prepare('INSERT INTO noted (text) VALUES (?)').run(text);
        return {};
      },
    }),
    memory: method({
      summary: 'Resident memory, bytes',
      permission: 'known',
      input: Type.Object({}),
      output: Type.Object({ residentBytes: Type.Integer() }),
      handler: () => ({ residentBytes: process.memoryUsage.rss() }),
    }),
  },
  'CREATE TABLE IF NOT EXISTS noted (n INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;',
);
