import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.node.1`, signed by the node's own key: what the machine has, where it is reached, and which
 * farm it wants to belong to. Counts once the owner of that farm has adopted it.
 */
export const node = new RecordType({
  url: 'grid.node.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      id: f.nodeId,
      farm: f.marked(f.farmId, { index: true }),
      name: f.marked(f.nameText, { index: true }),
      capacity: Type.Object(
        {
          /** Thousandths of a core. */
          cpuMilli: f.bytesCount,
          memoryBytes: f.bytesCount,
          ssdBytes: f.bytesCount,
          hddBytes: f.bytesCount,
        },
        f.closed,
      ),
      features: f.marked(f.setOf(f.labelText, { maxItems: 64 }), { index: true }),
      /** Those of the machine, `ip://192.0.2.7`: its workloads have ports there. */
      addresses: Type.Array(f.urlText, { maxItems: 16 }),
      /** Where secrets for this node are sealed to. */
      seal: f.sealingKeyText,
      /** Key of its end of the overlay network. */
      overlay: Type.Optional(f.sealingKeyText),
      software: Type.Optional(f.text(64)),
      /** Its farmer takes it out of service: nothing new comes, and what it runs is to leave. */
      isDraining: Type.Optional(Type.Literal(true)),
      /** Shows the owner of the farm by which invitation it came: docs/formats/records.md. */
      invite: Type.Optional(f.nonce32),
    },
    f.closed,
  ),
  objectOf: ({ id }) => id,
});
export type Node = Static<typeof node.schema>;
