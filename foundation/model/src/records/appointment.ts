import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/** `grid.appointment.1`, signed by a key of the user: an entry of the calendar. */
export const appointment = new RecordType({
  url: 'grid.appointment.1',
  namespace: 'user',
  schema: Type.Object(
    {
      title: f.marked(f.text(300), { fts: true }),
      fromMs: f.marked(f.timeMs, { index: true }),
      toMs: f.marked(f.timeMs, { index: true }),
      /** Name of the IANA data base: repetitions keep the local hour. */
      zone: f.text(64),
      isAllDay: Type.Boolean(),
      repeats: Type.Optional(
        Type.Object(
          {
            every: f.oneOf('day', 'week', 'month', 'year'),
            interval: Type.Integer({ minimum: 1, maximum: 1000 }),
            untilMs: Type.Optional(f.timeMs),
          },
          f.closed,
        ),
      ),
      place: Type.Optional(f.marked(f.text(300), { fts: true })),
      guests: f.marked(f.setOf(f.botId, {}), { index: true }),
      about: Type.Optional(f.marked(f.text(10_000), { fts: true })),
    },
    f.closed,
  ),
});
export type Appointment = Static<typeof appointment.schema>;
