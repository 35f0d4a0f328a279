import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';
import { contractRoleOpening } from './contract-role.ts';

/**
 * `grid.slice.1`, signed by the controller that placed it: what one node has to run of a contract. All
 * but the sealed secrets follows from contract and placement, and the node works it out again.
 */
export const slice = new RecordType({
  url: 'grid.slice.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      node: f.marked(f.nodeId, { index: true }),
      contract: f.marked(f.contractId, { index: true }),
      workload: f.marked(f.workloadId, { index: true }),
      revision: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
      opening: contractRoleOpening,
      addresses: Type.Array(Type.Object({ network: f.labelText, ip: f.ipText }, f.closed), {
        maxItems: 16,
      }),
      /** Values of the contract's secrets, sealed to the node. */
      secrets: Type.Array(Type.Object({ name: f.labelText, box: f.box }, f.closed), {
        maxItems: 64,
      }),
    },
    f.closed,
  ),
  objectOf: ({ node, workload }) => `${node}/${workload}`,
});
export type Slice = Static<typeof slice.schema>;
