import { Type } from 'typebox';
import { actor, method } from '../actors/actor.ts';
import type { BackupKeeper } from './backup-keeper.ts';
import { backupTables, BackupSettings } from './backup-settings.ts';

const closed = { additionalProperties: false } as const;
const owner = { permission: 'owner' } as const;

const folder = Type.String({ pattern: '^/[^\\u0000]{0,400}$' });

const made = {
  hash: Type.String(),
  urls: Type.Array(Type.String()),
  atMs: Type.Integer(),
  sizeBytes: Type.Integer(),
  failures: Type.Array(Type.String()),
};

const plan = Type.Object(
  {
    folder: Type.Optional(folder),
    files: Type.Boolean(),
    database: Type.Optional(Type.Boolean()),
    everyHours: Type.Integer({ minimum: 1, maximum: 720 }),
  },
  closed,
);

/** Backups of the bot, for its owner. */
export function backupActor(keeper: BackupKeeper) {
  return actor(
    'backup',
    {
      now: method({
        ...owner,
        summary: 'Makes a backup, puts it where backups go, and names it in the record of the bot',
        input: Type.Object({ folder: Type.Optional(folder) }, closed),
        output: Type.Object(made),
        handler: async (input, { signal }) => {
          const { urls, failures, ...rest } = await keeper.make(input.folder, signal);
          return { ...rest, urls: [...urls], failures: [...failures] };
        },
      }),
      configure: method({
        ...owner,
        summary: 'Says where backups go, and how often; what is left out stays as it is',
        input: Type.Partial(plan),
        output: plan,
        effect: (change, { db }) => {
          const settings = new BackupSettings(db);
          settings.plan = { ...settings.plan, ...change };
          return { ...settings.plan };
        },
      }),
      status: method({
        ...owner,
        summary: 'Where backups go, and what became of the last one',
        input: Type.Object({}, closed),
        output: Type.Object({ plan, last: Type.Union([Type.Object(made), Type.Null()]) }),
        handler: async () => {
          const last = await keeper.last();
          if (last === undefined) return { plan: { ...keeper.settings.plan }, last: null };
          const { content: _content, urls, failures, ...rest } = last;
          const shown = { ...rest, urls: [...urls], failures: [...failures] };
          return { plan: { ...keeper.settings.plan }, last: shown };
        },
      }),
    },
    backupTables,
  );
}
