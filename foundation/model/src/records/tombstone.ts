import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.tombstone.1`, signed by the quorum that may remove, by the controller for what has a healthy
 * successor, or by the farm's owner for what is long unpaid: data of this workload, up to this
 * revision, may be deleted on this node. Nothing else deletes.
 */
export const tombstone = new RecordType({
  url: 'grid.tombstone.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      workload: f.workloadId,
      revision: f.counter,
      reason: f.oneOf('removed', 'replaced', 'unpaid'),
    },
    f.closed,
  ),
  objectOf: ({ workload }) => workload,
});
export type Tombstone = Static<typeof tombstone.schema>;
