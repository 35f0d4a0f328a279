import type { CommandFacts, Request } from '@commongrid/resp';
import type { Session } from './session.ts';

/** What a command needs of the namespace: nothing, its data, or the right to change it. */
export type Access = 'open' | 'read' | 'write';

/**
 * Answers a request by writing one reply. When it returns a promise, later requests of the
 * connection wait, and rights must be looked at again after every pause.
 */
export type CommandHandler = (session: Session, request: Request) => void | Promise<void>;

/** A command as its file defines it. */
export interface CommandDefinition extends CommandFacts {
  readonly run: CommandHandler;
  readonly access: Access;
  /** Its reply tells nothing of the log, and does not wait for it. */
  readonly isApart?: boolean;
  /** Refused without the admin password, when one is set. */
  readonly isAdmin?: boolean;
}

export interface Command extends CommandDefinition {
  /** Position in the table: where its counters stand. */
  readonly index: number;
}
