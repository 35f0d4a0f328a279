import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.session.1`, signed by the node's own key at each boot: session `n`, one above the last. Each
 * boot has an object of its own, so that two machines with one key cannot hide behind each other.
 */
export const session = new RecordType({
  url: 'grid.session.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      node: f.marked(f.nodeId, { index: true }),
      n: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
      /** Drawn at the boot. */
      bootId: f.nonce16,
    },
    f.closed,
  ),
  objectOf: ({ node, bootId }) => `${node}/${bootId}`,
});
export type Session = Static<typeof session.schema>;
