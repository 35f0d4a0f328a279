import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.adoption.1`, signed by a key of the farm's owner: this node belongs to this farm, or no longer
 * does. A node that was cloned starts nothing until it is adopted again.
 */
export const adoption = new RecordType({
  url: 'grid.adoption.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      node: f.marked(f.nodeId, { index: true }),
      farm: f.marked(f.farmId, { index: true }),
      standing: f.oneOf('active', 'retired', 'compromised'),
    },
    f.closed,
  ),
  objectOf: ({ node }) => node,
});
export type Adoption = Static<typeof adoption.schema>;
