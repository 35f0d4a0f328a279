import type { CommandFacts, Request } from '@commongrid/resp';
import type { Session } from './session.ts';

/**
 * Answers a request by writing one reply, or throws a GridError before it writes any. When it
 * returns a promise, later requests of the connection wait, and rights must be looked at again after
 * every pause.
 */
export type CommandHandler = (session: Session, request: Request) => void | Promise<void>;

export interface Command extends CommandFacts {
  readonly run: CommandHandler;
  /** Whether it changes data. Default false. */
  readonly isWrite?: boolean;
}
