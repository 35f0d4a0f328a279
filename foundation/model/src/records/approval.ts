import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.approval.1`, signed by a key of a stakeholder: yes or no to one action on one contract. `hash`
 * is that of {log, action, contract, replaces?}. A stakeholder's later word on the same
 * hash replaces the earlier one until it took effect.
 */
export const approval = new RecordType({
  url: 'grid.approval.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      contract: f.marked(f.contractId, { index: true }),
      signer: f.marked(f.botId, { index: true }),
      role: f.labelText,
      action: f.oneOf('provision', 'upgrade', 'remove', 'halt'),
      hash: f.hash,
      /** The contract that an upgrade takes the place of. */
      replaces: Type.Optional(f.contractId),
      verdict: f.oneOf('approve', 'reject'),
      /** Without effect from this log time on. */
      expMs: f.timeMs,
    },
    f.closed,
  ),
  objectOf: ({ signer, hash }) => `${signer}/${hash}`,
});
export type Approval = Static<typeof approval.schema>;
