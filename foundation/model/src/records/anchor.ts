import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.anchor.1`, signed by a key of the user: the versions of objects that a store of S3 had, as the
 * root of a tree (docs/formats/s3-proof.md). It shows later that they existed by now.
 */
export const anchor = new RecordType({
  url: 'grid.anchor.1',
  namespace: 'user',
  schema: Type.Object(
    {
      store: f.marked(f.text(64), { index: true }),
      size: f.counter,
      root: f.hash,
    },
    f.closed,
  ),
});
export type Anchor = Static<typeof anchor.schema>;
