import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/** Replicas that one contract can place. */
export const placementItemsMax = 4096;

const item = Type.Object(
  {
    role: f.labelText,
    replica: Type.Integer({ minimum: 0, maximum: 99_999 }),
    node: f.nodeId,
    /** Not needed where the contract's owner owns the farm. */
    lock: Type.Optional(f.lockId),
    /** What it has to run there, by `sliceHash`. */
    slice: f.hash,
  },
  f.closed,
);

/**
 * `grid.placement.1`, signed by the controller that holds the newest fence: which replica runs where.
 * Nothing else starts anything. Each revision lists all replicas.
 */
export const placement = new RecordType({
  url: 'grid.placement.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      contract: f.contractId,
      revision: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
      lease: f.leaseName,
      fence: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
      items: Type.Array(item, { maxItems: placementItemsMax }),
      reason: f.oneOf('initial', 'heal', 'drain', 'upgrade', 'rollback', 'remove'),
      expMs: f.timeMs,
      /**
       * Of what moves a replica away from a lost node: it counts only with a log time before this. So an
       * order that was long on its way never meets a node that went on meanwhile.
       */
      notAfterMs: Type.Optional(f.timeMs),
    },
    f.closed,
  ),
  objectOf: ({ contract }) => contract,
});
export type Placement = Static<typeof placement.schema>;
export type PlacementItem = Static<typeof item>;
