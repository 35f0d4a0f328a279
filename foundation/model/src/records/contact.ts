import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

const labelled = (value: ReturnType<typeof f.text>) =>
  Type.Array(Type.Object({ label: f.text(32), value }, f.closed), { maxItems: 32 });

/** `grid.contact.1`, signed by a key of the user: somebody in the address book. */
export const contact = new RecordType({
  url: 'grid.contact.1',
  namespace: 'user',
  schema: Type.Object(
    {
      name: f.marked(f.text(200), { index: true, fts: true }),
      /** The contact's own digital self. */
      bot: Type.Optional(f.marked(f.botId, { index: true })),
      organisation: Type.Optional(f.marked(f.text(200), { index: true, fts: true })),
      emails: labelled(f.text(254)),
      phones: labelled(f.text(32)),
      postal: Type.Optional(f.marked(f.text(1000), { fts: true })),
      tags: f.marked(f.setOf(f.text(64), { maxItems: 64 }), { index: true }),
      note: Type.Optional(f.marked(f.text(10_000), { fts: true })),
    },
    f.closed,
  ),
});
export type Contact = Static<typeof contact.schema>;
