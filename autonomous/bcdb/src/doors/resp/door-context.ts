import type { Clock, Logger, Random } from '@commongrid/base';
import type { RespServer } from '@commongrid/resp';
import type { Bcdb } from '../../bcdb.ts';
import type { Gate } from '../access/gate.ts';
import type { ReadRights } from '../access/read-rights.ts';
import type { Proposals } from '../proposals.ts';
import type { CommandTable } from './command-table.ts';
import { KeyCache } from './key-cache.ts';
import type { LogStream } from './log-stream.ts';
import type { LogWaiters } from './log-waiters.ts';
import type { Objects } from './objects.ts';
import type { Session } from './session.ts';

/** What the sessions of a door share. */
export interface DoorContextParts {
  readonly bcdb: Bcdb;
  readonly gate: Gate;
  readonly rights: ReadRights;
  readonly objects: Objects;
  readonly proposals: Proposals;
  readonly stream: LogStream;
  readonly waiters: LogWaiters;
  readonly commands: CommandTable;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

export class DoorContext {
  readonly bcdb: Bcdb;
  readonly gate: Gate;
  readonly rights: ReadRights;
  readonly objects: Objects;
  readonly proposals: Proposals;
  readonly stream: LogStream;
  readonly waiters: LogWaiters;
  readonly commands: CommandTable;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly keys = new KeyCache();
  readonly stats = { commands: 0, refusals: 0 };
  /** Those who have not shown who they are; the one that came first is the first. */
  readonly strangers = new Set<Session>();
  readonly startedMs: number;
  server: RespServer | undefined;

  constructor(parts: DoorContextParts) {
    this.bcdb = parts.bcdb;
    this.gate = parts.gate;
    this.rights = parts.rights;
    this.objects = parts.objects;
    this.proposals = parts.proposals;
    this.stream = parts.stream;
    this.waiters = parts.waiters;
    this.commands = parts.commands;
    this.logger = parts.logger;
    this.clock = parts.clock;
    this.random = parts.random;
    this.startedMs = parts.clock.nowMs();
  }

  arrived(session: Session): void {
    this.strangers.add(session);
  }

  left(session: Session): void {
    this.strangers.delete(session);
  }

  /** All places are taken: a stranger gives way, if there is one. */
  makeRoom(): boolean {
    for (const stranger of this.strangers) {
      this.left(stranger);
      stranger.connection.destroy();
      return true;
    }
    return false;
  }
}
