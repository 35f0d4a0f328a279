import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';
import { resources } from './contract-role.ts';

/** Longest time that an unfunded lock holds, milliseconds. */
export const lockTtlMsMax = 600_000;

/**
 * `grid.lock.1`, signed by a key of the farm's owner: this much of this node is kept for that contract
 * at this price, until `expiresMs` if it is not funded by then.
 */
export const lock = new RecordType({
  url: 'grid.lock.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      id: f.lockId,
      contract: f.marked(f.contractId, { index: true }),
      node: f.marked(f.nodeId, { index: true }),
      farmer: f.marked(f.botId, { index: true }),
      buyer: f.marked(f.botId, { index: true }),
      /** Role and replica that it is for. */
      slot: Type.Object({ role: f.labelText, replica: f.counter }, f.closed),
      resources,
      /** Due for `perSeconds` healthy seconds. */
      price: Type.Object({ amount: f.amount, currency: f.currency, perSeconds: f.count }, f.closed),
      /** Least amount of the escrow. */
      minFund: f.amount,
      arbiter: Type.Optional(f.botId),
      disputeMs: f.durationMs,
      onDispute: f.oneOf('pay', 'refund'),
      expiresMs: f.marked(f.timeMs, { index: true }),
    },
    f.closed,
  ),
  objectOf: ({ id }) => id,
});
export type Lock = Static<typeof lock.schema>;
