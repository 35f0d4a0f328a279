import type { Clock, Logger, Random } from '@commongrid/base';
import type { CommandTable, RespServer } from '@commongrid/resp';
import type { Database } from '../../database.ts';
import type { Gate } from '../access/gate.ts';
import type { ReadRights } from '../access/read-rights.ts';
import type { Proposals } from '../proposals.ts';
import type { Command } from './command.ts';
import { KeyCache } from './key-cache.ts';
import type { LogStream } from './log-stream.ts';
import type { LogWaiters } from './log-waiters.ts';
import type { Objects } from './objects.ts';
import type { Session } from './session.ts';

/** What a door is made of. */
export interface DoorContextParts {
  readonly bcdb: Database;
  readonly gate: Gate;
  readonly rights: ReadRights;
  readonly objects: Objects;
  readonly proposals: Proposals;
  readonly stream: LogStream;
  readonly waiters: LogWaiters;
  readonly commands: CommandTable<Command>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

/** What the sessions of a door share. */
export interface DoorContext extends DoorContextParts {
  readonly keys: KeyCache;
  readonly stats: { commands: number; refusals: number };
  readonly strangers: Strangers;
  readonly startedMs: number;
  /** Known once it listens. */
  server: RespServer | undefined;
}

export function makeDoorContext(parts: DoorContextParts): DoorContext {
  return {
    ...parts,
    keys: new KeyCache(),
    stats: { commands: 0, refusals: 0 },
    strangers: new Strangers(),
    startedMs: parts.clock.nowMs(),
    server: undefined,
  };
}

/** Those who have not shown who they are; the one that came first is the first. */
class Strangers {
  readonly #sessions = new Set<Session>();

  get size(): number {
    return this.#sessions.size;
  }

  arrived(session: Session): void {
    this.#sessions.add(session);
  }

  left(session: Session): void {
    this.#sessions.delete(session);
  }

  /** All places are taken: one gives way, if there is one. */
  makeRoom(): boolean {
    for (const stranger of this.#sessions) {
      this.left(stranger);
      stranger.connection.destroy();
      return true;
    }
    return false;
  }
}
