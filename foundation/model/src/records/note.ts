import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/** `grid.note.1`, signed by a key of the user: a text that people write and find again. */
export const note = new RecordType({
  url: 'grid.note.1',
  namespace: 'user',
  schema: Type.Object(
    {
      title: f.marked(f.text(300), { index: true, fts: true }),
      format: f.oneOf('text', 'markdown'),
      body: f.marked(f.text(f.textMax * 4), { fts: true }),
      tags: f.marked(f.setOf(f.text(64), { maxItems: 64 }), { index: true }),
      changedMs: f.marked(f.timeMs, { index: true }),
    },
    f.closed,
  ),
});
export type Note = Static<typeof note.schema>;
