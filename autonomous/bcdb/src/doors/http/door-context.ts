import type { Clock, Logger } from '@commongrid/base';
import type { Database } from '../../database.ts';
import type { Gate } from '../access/gate.ts';
import type { ReadRights } from '../access/read-rights.ts';
import type { Proposals } from '../proposals.ts';
import type { DoorMetrics } from './door-metrics.ts';

/** What the routes of one door work with. */
export interface DoorContext {
  readonly bcdb: Database;
  readonly gate: Gate;
  readonly rights: ReadRights;
  readonly proposals: Proposals;
  readonly metrics: DoorMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Fires when the door closes: what never ends by itself ends then. */
  readonly closing: AbortSignal;
}
