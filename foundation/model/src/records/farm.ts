import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

const price = Type.Optional(f.amount);

/**
 * `grid.farm.1`, signed by a key of the owner: where machines stand and what their capacity costs.
 * The place is the owner's claim.
 */
export const farm = new RecordType({
  url: 'grid.farm.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      id: f.farmId,
      owner: f.marked(f.botId, { index: true }),
      name: f.marked(f.nameText, { index: true }),
      about: Type.Optional(f.marked(f.text(1000), { fts: true })),
      location: Type.Object(
        {
          country: f.marked(f.country, { index: true }),
          city: f.marked(f.text(100), { fts: true }),
          latMicrodeg: f.latMicrodeg,
          lonMicrodeg: f.lonMicrodeg,
        },
        f.closed,
      ),
      /** Prices of `unitHours` unit-hours each; none for what is not for sale. */
      prices: Type.Object(
        {
          currency: f.currency,
          unitHours: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
          cu: price,
          su: price,
          nu: price,
          ipv4: price,
        },
        f.closed,
      ),
      publicIps: f.setOf(f.ipText, { maxItems: 1024 }),
    },
    f.closed,
  ),
  objectOf: ({ id }) => id,
});
export type Farm = Static<typeof farm.schema>;
