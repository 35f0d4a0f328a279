import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/** `grid.task.1`, signed by a key of the user: something to do. */
export const task = new RecordType({
  url: 'grid.task.1',
  namespace: 'user',
  schema: Type.Object(
    {
      title: f.marked(f.text(300), { fts: true }),
      state: f.marked(f.oneOf('open', 'doing', 'done', 'dropped'), { index: true }),
      dueMs: Type.Optional(f.marked(f.timeMs, { index: true })),
      assignee: Type.Optional(f.marked(f.botId, { index: true })),
      about: Type.Optional(f.marked(f.text(10_000), { fts: true })),
      tags: f.marked(f.setOf(f.text(64), { maxItems: 64 }), { index: true }),
    },
    f.closed,
  ),
});
export type Task = Static<typeof task.schema>;
