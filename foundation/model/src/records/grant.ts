import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.grant.1`, signed by a key of the farm's owner: on this node this role of this contract may
 * have more rights than a container has.
 */
export const grant = new RecordType({
  url: 'grid.grant.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      node: f.marked(f.nodeId, { index: true }),
      contract: f.marked(f.contractId, { index: true }),
      role: f.labelText,
      allows: Type.Literal('elevated'),
      expMs: f.timeMs,
    },
    f.closed,
  ),
  objectOf: ({ node, contract, role }) => `${node}/${contract}/${role}`,
});
export type Grant = Static<typeof grant.schema>;
