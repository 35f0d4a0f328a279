import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/** `grid.bookmark.1`, signed by a key of the user: a page to find again. */
export const bookmark = new RecordType({
  url: 'grid.bookmark.1',
  namespace: 'user',
  schema: Type.Object(
    {
      url: f.marked(f.text(2000), { index: true }),
      title: f.marked(f.text(300), { fts: true }),
      about: Type.Optional(f.marked(f.text(10_000), { fts: true })),
      tags: f.marked(f.setOf(f.text(64), { maxItems: 64 }), { index: true }),
      addedMs: f.marked(f.timeMs, { index: true }),
    },
    f.closed,
  ),
});
export type Bookmark = Static<typeof bookmark.schema>;
