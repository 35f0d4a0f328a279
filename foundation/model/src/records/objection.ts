import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.objection.1`, signed by a key of the buyer or the controller, then of those who decide: these
 * seconds are not to be paid. Two of buyer, farmer and arbiter decide.
 */
export const objection = new RecordType({
  url: 'grid.objection.1',
  namespace: 'wallet',
  schema: Type.Object(
    {
      id: f.hex16,
      lock: f.marked(f.lockId, { index: true }),
      workload: f.workloadId,
      /** The bot that speaks here. */
      by: f.botId,
      fromMs: f.timeMs,
      toMs: f.timeMs,
      says: f.oneOf('object', 'pay', 'refund'),
      reason: Type.Optional(f.text(1000)),
    },
    f.closed,
  ),
  objectOf: ({ lock, id, by }) => `${lock}/${id}/${by}`,
});
export type Objection = Static<typeof objection.schema>;
