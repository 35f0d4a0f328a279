import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/** `grid.file.1`, signed by a key of the user: where the bytes of a file are, and what they are. */
export const file = new RecordType({
  url: 'grid.file.1',
  namespace: 'user',
  schema: Type.Object(
    {
      name: f.marked(f.text(255), { index: true, fts: true }),
      folder: f.marked(f.text(1000), { index: true }),
      mediaType: f.marked(f.text(128), { index: true }),
      sizeBytes: f.bytesCount,
      hash: f.marked(f.hash, { index: true }),
      urls: Type.Array(f.urlText, { maxItems: 16 }),
      changedMs: f.marked(f.timeMs, { index: true }),
      tags: f.marked(f.setOf(f.text(64), { maxItems: 64 }), { index: true }),
    },
    f.closed,
  ),
});
export type File = Static<typeof file.schema>;
