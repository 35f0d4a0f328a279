import type { FaultKind } from '../fault-kinds.ts';
import type { BeginFault } from './begun-fault.ts';
import { cableOut, diskFull, packetsLost, powerLost, randomLossOf } from './machine-faults.ts';
import {
  agent,
  agentKilled,
  head,
  keeper,
  killed,
  service,
  stopped,
  zeroDb,
} from './process-faults.ts';
import { databaseFarAway, farmerKilled, farmerStopped } from './service-faults.ts';
import { farmerClockWrong } from './wrong-clock.ts';

/** What brings about faults of each kind. */
export const faultTable: Readonly<Record<FaultKind, BeginFault>> = {
  'machine killed': powerLost,
  'cable out': cableOut,
  'nothing comes in': packetsLost(() => ({ direction: 'in', percent: 100 })),
  'nothing goes out': packetsLost(() => ({ direction: 'out', percent: 100 })),
  'packets lost': packetsLost(randomLossOf),
  'agent killed': agentKilled,
  'agent stopped': stopped(agent),
  'Zero-DB killed': killed(zeroDb),
  'Zero-DB stopped': stopped(zeroDb),
  'keeper of a container killed': killed(keeper),
  'disk full': diskFull,
  'head killed': killed(head),
  'head stopped': stopped(head),
  'service killed': killed(service),
  'service stopped': stopped(service),
  'database far away': databaseFarAway,
  'farmer killed': farmerKilled,
  'farmer stopped': farmerStopped,
  'farmer with a wrong clock': farmerClockWrong,
};
