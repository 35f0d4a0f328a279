import { Type } from 'typebox';
import type { CopyStanding } from '../../database.ts';
import type { DoorContext } from './door-context.ts';
import { route } from './route.ts';
import type { Route } from './route.ts';
import { sequence } from './shapes.ts';

/** Alarms, and withheld records, of one answer. */
const shownAlarmsMax = 100;

const reason = Type.Object({ code: Type.String(), message: Type.String() });

/** How a copy stands: everybody who reads from it may know. */
export function replicaRoute({ bcdb }: DoorContext, copy: CopyStanding): Route {
  return route({
    method: 'GET',
    path: '/v1/replica',
    summary: 'Whose copy this is, how far it is, and why it stopped or what it refused',
    reply: Type.Object({
      sequencer: Type.String(),
      size: sequence,
      /** Of the newest verified head; null before the first. */
      sourceSize: Type.Union([sequence, Type.Null()]),
      /** When the sequencer last said that it is the newest, seconds since 1970. */
      sourceTime: Type.Union([sequence, Type.Null()]),
      halted: Type.Union([reason, Type.Null()]),
      /** Records that the rules refuse here; they did nothing. */
      alarms: Type.Array(Type.Object({ seq: sequence, code: Type.String() })),
      /** Records whose payloads the source withholds: nothing says that they are erased. */
      withheld: Type.Array(sequence),
    }),
    handle: () => {
      const { sequencer } = copy;
      const { halted, alarms, withheld, sourceHead } = bcdb.copy ?? copy;
      return {
        sequencer,
        size: bcdb.head.size,
        sourceSize: sourceHead?.size ?? null,
        sourceTime: sourceHead?.timestamp ?? null,
        halted: halted === undefined ? null : { code: halted.code, message: halted.message },
        alarms: alarms
          .slice(-shownAlarmsMax)
          .map((one) => ({ seq: one.seq, code: one.reason.code })),
        withheld: withheld.slice(0, shownAlarmsMax),
      };
    },
  });
}
