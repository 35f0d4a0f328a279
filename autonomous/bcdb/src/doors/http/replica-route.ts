import { Type } from 'typebox';
import type { CopyStanding } from '../../database.ts';
import type { DoorContext } from './door-context.ts';
import { route } from './route.ts';
import type { Route } from './route.ts';
import { sequence } from './shapes.ts';

/** Alarms of one answer, the last ones. */
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
    }),
    handle: () => {
      const { sequencer } = copy;
      const { halted, alarms, sourceHead } = bcdb.copy ?? copy;
      return {
        sequencer,
        size: bcdb.head.size,
        sourceSize: sourceHead?.size ?? null,
        sourceTime: sourceHead?.timestamp ?? null,
        halted: halted === undefined ? null : { code: halted.code, message: halted.message },
        alarms: alarms
          .slice(-shownAlarmsMax)
          .map((one) => ({ seq: one.seq, code: one.reason.code })),
      };
    },
  });
}
