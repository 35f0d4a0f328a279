import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.lease.1`, signed by the holder: from here on only this key acts for the name, under this fence
 * number, one above the last. Who comes first in the log has it; renewals are presence.
 */
export const lease = new RecordType({
  url: 'grid.lease.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      name: f.leaseName,
      holder: f.marked(f.keyText, { index: true }),
      fence: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
      ttlMs: Type.Integer({ minimum: 1000, maximum: 3_600_000 }),
      /** The holder lets go. */
      isReleased: Type.Optional(Type.Boolean()),
    },
    f.closed,
  ),
  objectOf: ({ name }) => name,
});
export type Lease = Static<typeof lease.schema>;
