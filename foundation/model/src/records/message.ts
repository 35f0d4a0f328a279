import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/**
 * `grid.message.1`, signed by a key of the user: the head of a message that was sent or came in. A
 * long body is a file of its own.
 */
export const message = new RecordType({
  url: 'grid.message.1',
  namespace: 'user',
  schema: Type.Object(
    {
      from: f.marked(f.botId, { index: true }),
      to: f.marked(f.setOf(f.botId, { minItems: 1 }), { index: true }),
      sentMs: f.marked(f.timeMs, { index: true }),
      readMs: Type.Optional(f.timeMs),
      /** Object id of the message that this one answers. */
      answers: Type.Optional(f.marked(f.text(192), { index: true, ref: 'grid.message.1' })),
      folder: f.marked(f.text(64), { index: true }),
      subject: f.marked(f.text(500), { fts: true }),
      body: f.marked(f.text(f.textMax), { fts: true }),
      files: Type.Array(f.marked(f.text(192), { ref: 'grid.file.1' }), { maxItems: 64 }),
    },
    f.closed,
  ),
});
export type Message = Static<typeof message.schema>;
