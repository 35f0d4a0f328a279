import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.tombstone.1`, signed by the quorum that may remove, by the controller for what has a healthy
 * successor, or by the farm's owner for what is long unpaid: data of this workload, up to this
 * revision, may be deleted. Nothing else deletes.
 */
export const tombstone = new RecordType({
  url: 'grid.tombstone.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      workload: f.workloadId,
      revision: f.counter,
      reason: f.oneOf('removed', 'replaced', 'unpaid'),
      /** Of `unpaid`: the only node on which it counts, as each farm decides over its own disks. */
      node: Type.Optional(f.marked(f.nodeId, { index: true })),
    },
    f.closed,
  ),
  objectOf: ({ workload, node }) => (node === undefined ? workload : `${node}/${workload}`),
});
export type Tombstone = Static<typeof tombstone.schema>;
